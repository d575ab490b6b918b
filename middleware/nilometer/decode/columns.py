"""Blocks of named columns: what a decoder makes of a body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason
from nilometer.values.steps import Steps, finished

MAX_DEPTH = 4  # of nested objects that become dotted names; what is deeper stays one cell
MAX_COLUMNS = 1000  # of one body; more is not a table
VALUE = "value"  # the column of a body that is a bare value

_CELL_BYTES = 24  # of a block, on average over numbers in arrays and short strings
_ROWS_AT_ONCE = 128  # that one step looks at
_GROUPS_AT_ONCE = 16

Row = Mapping[str, Cell]
Column = Sequence[Cell] | NDArray[np.generic]  # cells, or an array of shape (rows, ...)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of equal length: ``len(column) == rows`` for each."""

    rows: int
    columns: Mapping[str, Column]

    @property
    def weight(self) -> int:
        """Bytes that it holds, about."""
        return _CELL_BYTES * self.rows * len(self.columns)


@dataclass(slots=True)
class Side:
    """Inputs or outputs of many observations, gathered into one set of columns.

    Attributes:
        rows: Rows of all that was added.
        weight: Bytes that it holds, about: an estimate from above.
    """

    rows: int = 0
    weight: int = 0
    _singles: list[Row] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add flat rows. Whoever made them adds what they weigh."""
        self._singles.extend(rows)
        self.rows += len(rows)

    def add_block(self, block: Block) -> None:
        """Add columns."""
        self._blocks.append(block)
        self.rows += block.rows
        self.weight += block.weight

    def extend(self, other: "Side") -> None:
        """Add everything that *other* holds."""
        self._singles.extend(other._singles)
        self._blocks.extend(other._blocks)
        self.rows += other.rows
        self.weight += other.weight

    def columns(self, expected: set[str]) -> dict[str, Column]:
        """Every column that was seen or is *expected*; a cell that is absent is None."""
        names = dict.fromkeys((*expected, *finished(self.present_in_steps())))
        return {name: self.column(name) for name in names}

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

    def present_in_steps(self) -> Steps[dict[str, "Present"]]:
        """Each column that was seen, without the rows that do not have it.

        Rows are grouped by their keys first, so that the cost grows with the cells that are there,
        and never with rows times columns.
        """
        present: dict[str, Present] = {}
        groups: dict[tuple[str, ...], list[Row]] = {}
        for at, row in enumerate(self._singles, 1):
            groups.setdefault(tuple(row), []).append(row)
            if not at % _ROWS_AT_ONCE:
                yield
        for at, (names, rows) in enumerate(groups.items(), 1):
            for name in names:
                present.setdefault(name, Present()).add_rows(rows)
            if not at % _GROUPS_AT_ONCE:
                yield
        for block in self._blocks:
            for name, column in block.columns.items():
                present.setdefault(name, Present()).add_part(column, block.rows)
            yield
        return present


@dataclass(slots=True)
class Present:
    """Where the cells of one column are.

    Attributes:
        count: Cells.
    """

    count: int = 0
    _groups: list[list[Row]] = field(default_factory=list)
    _parts: list[Column] = field(default_factory=list)

    def add_rows(self, rows: list[Row]) -> None:
        """Add *rows* that have the column."""
        self._groups.append(rows)
        self.count += len(rows)

    def add_part(self, column: Column, rows: int) -> None:
        """Add the column of a block of *rows*."""
        self._parts.append(column)
        self.count += rows

    def cells(self, name: str) -> Column:
        """All cells of the column, whose name is *name*: rows first, then blocks."""
        parts = self._parts
        if not self._groups and all(isinstance(part, np.ndarray) for part in parts):
            arrays = [part for part in parts if isinstance(part, np.ndarray)]
            if len(arrays) == 1:
                return arrays[0]
            if len({part.shape[1:] for part in arrays}) == 1:
                return np.concatenate(arrays)
        cells = [row[name] for rows in self._groups for row in rows]
        for part in parts:
            cells.extend(part.tolist() if isinstance(part, np.ndarray) else part)
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
