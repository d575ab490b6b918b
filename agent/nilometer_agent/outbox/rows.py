"""Row types of the outbox: partial profiles of open windows, and rows for the collector.

The functions at the end encode a window in the columns of a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from nilometer.values.labels import Labels
from nilometer.values.window import Window

PAYLOAD_VERSION = 1  # version of the payload's format; an agent ships only versions that it knows

Columns = Sequence[Any]  # columns without id and checksum; SQLite may return any type
Row = tuple[str, tuple[Any, ...]]  # (table, (id, columns))


@dataclass(frozen=True, slots=True)
class WindowKey:
    """Key of a window: entity, labels and time."""

    entity: str
    labels: Labels
    window: Window


@dataclass(frozen=True, slots=True)
class Delta:
    """The partial profile of a window.

    Attributes:
        key: Key of the window.
        payload: Encoded samples.
        observations: Number of observations in the profile.
    """

    key: WindowKey
    payload: bytes
    observations: int = 0


class Partial(NamedTuple):
    """A stored partial profile.

    Attributes:
        id: Id of its row.
        payload: Encoded samples; None if the row is damaged.
        observations: Number of observations in it; 0 if the row is damaged.
    """

    id: int
    payload: bytes | None
    observations: int


@dataclass(frozen=True, slots=True)
class NewRow:
    """A new row for the collector. *kind* is ``sample``, ``evaluation`` or ``predictions``."""

    kind: str
    payload: bytes
    observations: int = 0


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """Batches of logged predictions of one commit, and the limit of their outbox in bytes."""

    rows: Sequence[NewRow] = ()
    most_bytes: int = 0


NOT_LOGGED = LoggedRows()


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that the collector has not acknowledged.

    Attributes:
        id: Id of the row in this file; rows are shipped in this order.
        epoch: Epoch of the ledger that created the row; with *sequence* it identifies the row.
        sequence: Number of the row, ascending in an epoch and never used twice.
        version: Version of the payload's format.
        kind: ``sample``, ``evaluation`` or ``predictions``: the name of its field in a message.
        created_ns: Time at which the window was closed, Unix nanoseconds.
        observations: Number of observations that this row accounts for.
        payload: Encoded message, as it is sent.
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
    """A judged window whose partial profiles are replaced by rows of the outbox."""

    key: WindowKey
    partials: Sequence[int]
    rows: Sequence[NewRow]


@dataclass(frozen=True, slots=True)
class Lost:
    """Numbers of rows that left the outbox and of their observations, as far as known."""

    rows: int = 0
    observations: int = 0

    def __add__(self, other: "Lost") -> "Lost":
        return Lost(self.rows + other.rows, self.observations + other.observations)


def columns_of_window(key: WindowKey) -> tuple[str, str, int, int]:
    """Return the columns of *key*: entity, labels, start and end."""
    return key.entity, label_text(key.labels), key.window.start_ns, key.window.end_ns


def window_of_columns(columns: Columns) -> WindowKey:
    """Return the key that is encoded in the first of *columns*."""
    return WindowKey(
        columns[0],
        Labels.of(msgspec.json.decode(columns[1])),
        Window(columns[2], columns[3]),
    )


def label_text(labels: Labels) -> str:
    """Return *labels* as canonical JSON; equal labels give equal text."""
    return msgspec.json.encode(labels.as_dict()).decode()
