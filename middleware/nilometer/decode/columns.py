"""Blocks of named columns: what a decoder makes of a body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_DEPTH = 4  # of nested objects that become dotted names; what is deeper stays one cell
MAX_COLUMNS = 1000  # of one body; more is not a table
VALUE = "value"  # the column of a body that is a bare value

Row = Mapping[str, Cell]
Column = Sequence[Cell] | NDArray[np.generic]  # cells, or an array of shape (rows, ...)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of equal length: ``len(column) == rows`` for each."""

    rows: int
    columns: Mapping[str, Column]


@dataclass(slots=True)
class Side:
    """Inputs or outputs of many observations, gathered into one set of columns."""

    rows: int = 0
    _singles: list[Row] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add flat rows."""
        self._singles.extend(rows)
        self.rows += len(rows)

    def add_block(self, block: Block) -> None:
        """Add columns."""
        self._blocks.append(block)
        self.rows += block.rows

    def extend(self, other: "Side") -> None:
        """Add everything that *other* holds."""
        self._singles.extend(other._singles)
        self._blocks.extend(other._blocks)
        self.rows += other.rows

    def columns(self, expected: set[str]) -> dict[str, Column]:
        """Every column that was seen or is *expected*; a cell that is absent is None."""
        return {name: self.column(name) for name in self.names(expected)}

    def names(self, expected: set[str]) -> list[str]:
        """The name of every column that was seen or is *expected*."""
        names: dict[str, None] = dict.fromkeys(expected)
        for row in self._singles:
            if not names.keys() >= row.keys():
                names.update(dict.fromkeys(row))
        for block in self._blocks:
            names.update(dict.fromkeys(block.columns))
        return list(names)

    def column(self, name: str) -> Column:
        """One column, a cell a row; None where a row does not have it."""
        found = [block.columns.get(name) for block in self._blocks]
        arrays = [part for part in found if isinstance(part, np.ndarray)]
        alike = len({part.shape[1:] for part in arrays}) == 1
        if alike and not self._singles and len(arrays) == len(found):
            return np.concatenate(arrays)
        cells = [row.get(name) for row in self._singles]
        for part, block in zip(found, self._blocks, strict=True):
            if isinstance(part, np.ndarray):
                cells.extend(part.tolist())
            else:
                cells.extend([None] * block.rows if part is None else part)
        return cells


def flat(row: dict[str, Cell], prefix: str = "", depth: int = 1) -> dict[str, Cell]:
    """A nested object as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    if len(row) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if not prefix and dict not in set(map(type, row.values())):
        return row  # what most bodies are
    columns: dict[str, Cell] = {}
    for key, cell in row.items():
        if isinstance(cell, dict) and depth < MAX_DEPTH:
            columns.update(flat(cell, f"{prefix}{key}.", depth + 1))
        else:
            columns[f"{prefix}{key}"] = cell
        if len(columns) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return columns
