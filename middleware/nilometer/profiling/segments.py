"""Segments: labels of single observations, from fields or from `nilometer.label`.

Each observation has exactly one label set: the labels of its server, and one label per segment. So
the label sets add up to all traffic. Label values are published, so only fields that the settings
name become labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.decode.columns import Column, Side
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import ConfigError
from nilometer.values.labels import (
    KEY,
    MAX_SET_BYTES,
    MAX_VALUE_BYTES,
    OVERFLOW_KEY,
    Labels,
    text_bytes,
)
from nilometer.values.window import Window

MAX_LABEL_SETS = 2000  # label sets per entity and window; later ones share the overflow set
MAX_OPEN_WINDOWS = 16  # windows whose label sets are remembered
ABSENT = "absent"  # label value if the field is absent or null
MIXED = "mixed"  # label value if the rows of one request differ
_ROLES = {role.value: role for role in (Role.INPUT, Role.OUTPUT)}


@dataclass(frozen=True, slots=True)
class Segments:
    """Rules that map fields to labels.

    Attributes:
        rules: Triples of label key, side and field, in the configured order.
    """

    rules: tuple[tuple[str, Role, str], ...] = ()

    @classmethod
    def of(cls, rules: Mapping[str, str]) -> "Segments":
        """Parse rules such as ``{"region": "input.region"}``.

        Raises:
            ConfigError: If a key is not a valid label key, or a source does not name a field.
        """
        found = []
        for key, source in rules.items():
            role, _, field = source.partition(".")
            if not KEY.fullmatch(key) or key == OVERFLOW_KEY:
                raise ConfigError(f"segments.{key}: the key must match [a-z][a-z0-9_]{{0,62}}")
            if role not in _ROLES or not field:
                raise ConfigError(
                    f"segments.{key} = {source!r}: must be 'input.FIELD' or 'output.FIELD'"
                )
            found.append((key, _ROLES[role], field))
        return cls(tuple(found))

    def labels(self, inputs: Side, outputs: Side) -> dict[str, str]:
        """Return the labels of one observation from its columns."""
        sides = {Role.INPUT: inputs, Role.OUTPUT: outputs}
        return {key: _value(sides[role].column(field)) for key, role, field in self.rules}

    def labels_of(
        self, observation: Observation, said: Labels, inputs: Side, outputs: Side
    ) -> dict[str, str]:
        """Return all labels of one observation, including the model that its request *said*."""
        found = said.as_dict() | checked_labels(observation.labels or {})
        if self.rules and not observation.left_out:
            found |= self.labels(inputs, outputs)
        return found


def _value(cells: Column) -> str:
    """Return the common value of *cells* as a label value."""
    plain = cells.tolist() if isinstance(cells, np.ndarray) else cells
    if not plain or plain.count(None) == len(plain):
        return ABSENT
    first = cell_label(plain[0])
    return first if all(cell_label(cell) == first for cell in plain) else MIXED


def cell_label(cell: object) -> str:
    """Return a cell as a label value; `ABSENT` for null and types other than text or number."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2.0**53:
        cell = int(cell)
    if isinstance(cell, str | int | float):
        return label_value(str(cell))
    return ABSENT


def label_value(text: str) -> str:
    """Return *text* as valid UTF-8, at most 256 bytes; "absent" for empty text."""
    packed = text.encode("utf-8", "replace")[:MAX_VALUE_BYTES]
    return packed.decode("utf-8", "ignore") or ABSENT


class LabelSets:
    """A bounded collection of the label sets of one window. Not thread-safe.

    Args:
        base: Labels of every observation.
        most: Limit of distinct label sets.
    """

    __slots__ = ("_base", "_known", "_most", "_overflow", "_seen")

    def __init__(self, base: Labels, most: int = MAX_LABEL_SETS) -> None:
        self._base = base
        self._most = most
        self._known: dict[tuple[tuple[str, str], ...], Labels] = {(): base}
        self._seen = {hash(())}  # hashes of all distinct sets, which `rest` keeps
        self._overflow = Labels.of({**base.as_dict(), OVERFLOW_KEY: "true"})

    def __len__(self) -> int:
        return len(self._seen)

    def rest(self) -> None:
        """Free the label sets, but keep their hashes; `get` creates a set again when needed."""
        self._known = {(): self._base}

    def get(self, found: Mapping[str, str]) -> Labels:
        """Return the base labels with *found* added, or the overflow set beyond a limit.

        The limits are the number of distinct sets, and `MAX_SET_BYTES` of *found*.
        """
        key = tuple(sorted(found.items()))
        labels = self._known.get(key)
        if labels is None:
            place = hash(key)
            is_one_more = len(self._seen) >= self._most and place not in self._seen
            if is_one_more or text_bytes(key) > MAX_SET_BYTES:
                return self._overflow
            self._seen.add(place)
            labels = Labels.of({**found, **self._base.as_dict()})
            self._known[key] = labels
        return labels


class WindowLabels:
    """The label sets of the newest windows of one entity. Not thread-safe.

    Args:
        base: Labels of every set.
        most: Limit of distinct label sets per window.
    """

    __slots__ = ("_base", "_most", "_sets")

    def __init__(self, base: Labels, most: int) -> None:
        self._base = base
        self._most = most
        self._sets: dict[Window, LabelSets] = {}

    def __len__(self) -> int:
        """Return the number of distinct label sets over all windows."""
        return sum(map(len, self._sets.values()))

    def get(self, window: Window, found: Mapping[str, str]) -> Labels:
        """Return the base labels with *found* added, like `LabelSets.get` of the window."""
        sets = self._sets.get(window)
        if sets is None:
            if len(self._sets) >= MAX_OPEN_WINDOWS:  # forget the sets of the oldest window
                del self._sets[next(iter(self._sets))]
            sets = self._sets[window] = LabelSets(self._base, self._most)
        return sets.get(found)

    def rest(self) -> None:
        """Free the label sets, but keep their hashes."""
        for sets in self._sets.values():
            sets.rest()


def checked_labels(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a worker sent, without invalid keys and with limited values."""
    return {
        key: label_value(value)
        for key, value in pairs.items()
        if KEY.fullmatch(key) and key != OVERFLOW_KEY
    }


__all__: Sequence[str] = [
    "ABSENT",
    "MAX_LABEL_SETS",
    "MAX_OPEN_WINDOWS",
    "MIXED",
    "LabelSets",
    "Segments",
    "WindowLabels",
    "checked_labels",
    "label_value",
]
