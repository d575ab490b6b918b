"""What the outbox stores: partial profiles of open windows, and rows for the collector.

The functions at the end are the encoding of a window in the columns of a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nilometer.values.labels import Labels
from nilometer.values.window import Window

PAYLOAD_VERSION = 1  # of what stands in a payload; an agent ships the versions it knows

Columns = Sequence[Any]  # of a row, without its id and its checksum; SQLite gives any type
Row = tuple[str, tuple[Any, ...]]  # the table, and the id before the columns


@dataclass(frozen=True, slots=True)
class WindowKey:
    """What partial profiles are gathered under."""

    entity: str
    labels: Labels
    window: Window


@dataclass(frozen=True, slots=True)
class Delta:
    """The partial profile of a window.

    Attributes:
        key: The window.
        payload: Samples.
        observations: Observations in it, for the accounts.
    """

    key: WindowKey
    payload: bytes
    observations: int = 0


@dataclass(frozen=True, slots=True)
class NewRow:
    """What is to be shipped. *kind* is ``sample`` or ``evaluation``."""

    kind: str
    payload: bytes
    observations: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that the collector has not acknowledged.

    Attributes:
        id: Its place in this file; the order of shipping.
        epoch: With *sequence*, what the collector knows it by, wherever it is stored.
        sequence: Ascending in an epoch, never used twice.
        version: Of what stands in *payload*.
        kind: ``sample`` or ``evaluation``.
        created_ns: Unix nanoseconds of its closing.
        observations: That are accounted for by this row.
        payload: As it travels.
    """

    id: int
    epoch: bytes
    sequence: int
    version: int
    kind: str
    created_ns: int
    observations: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """A window that is judged: its partial profiles become rows of the outbox."""

    key: WindowKey
    partials: Sequence[int]
    rows: Sequence[NewRow]


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows that are gone for good, and the observations in them as far as they are known."""

    rows: int = 0
    observations: int = 0

    def __add__(self, other: "Lost") -> "Lost":
        return Lost(self.rows + other.rows, self.observations + other.observations)


def columns_of_window(key: WindowKey) -> tuple[str, str, int, int]:
    """The columns of *key*: entity, labels, start and end."""
    return key.entity, label_text(key.labels), key.window.start_ns, key.window.end_ns


def window_of_columns(columns: Columns) -> WindowKey:
    """The key whose columns *columns* begin with."""
    return WindowKey(
        columns[0],
        Labels.of(msgspec.json.decode(columns[1])),
        Window(columns[2], columns[3]),
    )


def label_text(labels: Labels) -> str:
    """Canonical JSON: equal labels, equal text."""
    return msgspec.json.encode(labels.as_dict()).decode()
