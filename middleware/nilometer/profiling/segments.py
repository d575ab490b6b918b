"""Segments: labels of single observations, from their fields or from what captured them.

Each observation has one label set: the labels of its server, and a label for each segment. So
label sets add up to the whole. Values are published, which is why only named fields become labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.decode.columns import Column, Side
from nilometer.values.entity import Role
from nilometer.values.errors import ConfigError
from nilometer.values.labels import KEY, MAX_VALUE_BYTES, OVERFLOW_KEY, Labels

MAX_LABEL_SETS = 2000  # of an entity's labels in one window; what comes after goes to `overflow`
ABSENT = "absent"  # the field was not there, or null
MIXED = "mixed"  # one request whose rows differ
_ROLES = {role.value: role for role in (Role.INPUT, Role.OUTPUT)}


@dataclass(frozen=True, slots=True)
class Segments:
    """Rules: which label comes from which field.

    Attributes:
        rules: Label key, side and field, in the order in which they were given.
    """

    rules: tuple[tuple[str, Role, str], ...] = ()

    @classmethod
    def of(cls, rules: Mapping[str, str]) -> "Segments":
        """Rules such as ``{"region": "input.region"}``.

        Raises:
            ConfigError: If a key is no label key or a source is no field of inputs or outputs.
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
        """The labels of one observation by its columns."""
        sides = {Role.INPUT: inputs, Role.OUTPUT: outputs}
        return {key: _value(sides[role].column(field)) for key, role, field in self.rules}


def _value(cells: Column) -> str:
    """The one value of *cells* as a label."""
    plain = cells.tolist() if isinstance(cells, np.ndarray) else cells
    if not plain or plain.count(None) == len(plain):
        return ABSENT
    first = _text(plain[0])
    return first if all(_text(cell) == first for cell in plain) else MIXED


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2.0**53:
        cell = int(cell)
    if isinstance(cell, str | int | float):
        return label_value(str(cell))
    return ABSENT


def label_value(text: str) -> str:
    """*text* as UTF-8 can write it, cut at 256 bytes; what is empty is absent."""
    packed = text.encode("utf-8", "replace")[:MAX_VALUE_BYTES]
    return packed.decode("utf-8", "ignore") or ABSENT


class LabelSets:
    """Label sets of one window, capped. One owner.

    Args:
        base: Labels of every observation.
        most: Label sets that are told apart.
    """

    __slots__ = ("_base", "_known", "_most", "_overflow", "_seen")

    def __init__(self, base: Labels, most: int = MAX_LABEL_SETS) -> None:
        self._base = base
        self._most = most
        self._known: dict[tuple[tuple[str, str], ...], Labels] = {(): base}
        self._seen = {hash(())}  # of all sets that are told apart: they outlive `rest`
        self._overflow = Labels.of({**base.as_dict(), OVERFLOW_KEY: "true"})

    def __len__(self) -> int:
        return len(self._seen)

    def rest(self) -> None:
        """Let the labels themselves go, until they come again."""
        self._known = {(): self._base}

    def get(self, found: Mapping[str, str]) -> Labels:
        """The label set with *found* beside the base, or the overflow set."""
        key = tuple(sorted(found.items()))
        labels = self._known.get(key)
        if labels is None:
            place = hash(key)
            if len(self._seen) >= self._most and place not in self._seen:
                return self._overflow
            self._seen.add(place)
            labels = Labels.of({**found, **self._base.as_dict()})
            self._known[key] = labels
        return labels


def checked_labels(pairs: Mapping[str, str]) -> dict[str, str]:
    """Labels that a worker sent, without keys that cannot be labels and with bounded values."""
    return {
        key: label_value(value)
        for key, value in pairs.items()
        if KEY.fullmatch(key) and key != OVERFLOW_KEY
    }


__all__: Sequence[str] = [
    "ABSENT",
    "MAX_LABEL_SETS",
    "MIXED",
    "LabelSets",
    "Segments",
    "checked_labels",
    "label_value",
]
