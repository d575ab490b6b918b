"""Named columns, the result of decoding a body."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature import Cell
from nilometer.values.steps import Steps, finished

MAX_COLUMNS = 1000  # most columns of one body; a body with more does not count as a table
VALUE = "value"  # column name for a body that is a bare value

_CELL_BYTES = 24  # average memory of a cell in a block, for numbers and short strings
_ROWS_AT_ONCE = 128  # rows per step
_GROUPS_AT_ONCE = 16

_Item = TypeVar("_Item")
Row = Mapping[str, Cell]
Column = Sequence[Cell] | NDArray[np.generic]  # cells, or an array of shape (rows, ...)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of equal length: ``len(column) == rows`` for each."""

    rows: int
    columns: Mapping[str, Column]

    @property
    def weight(self) -> int:
        """Approximate memory, in bytes."""
        return _CELL_BYTES * self.rows * len(self.columns)


@dataclass(slots=True)
class Side:
    """Inputs or outputs of many observations, gathered into one set of columns.

    Attributes:
        rows: Number of rows added.
        weight: Upper estimate of its memory, in bytes.
    """

    rows: int = 0
    weight: int = 0
    _singles: list[Row] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add flat rows. The caller adds their memory to `weight`."""
        self._singles.extend(rows)
        self.rows += len(rows)

    def add_block(self, block: Block) -> None:
        """Add columns."""
        self._blocks.append(block)
        self.rows += block.rows
        self.weight += block.weight

    def extend(self, other: "Side") -> None:
        """Add all rows and blocks of *other*."""
        self._singles.extend(other._singles)
        self._blocks.extend(other._blocks)
        self.rows += other.rows
        self.weight += other.weight

    def has_only(self, known: Mapping[str, object]) -> bool:
        """Return whether *known* contains the names of all columns."""
        names = known.keys()
        for row in self._singles:
            if not row.keys() <= names:
                return False
        return not self._blocks or not any(
            block.rows and not block.columns.keys() <= names for block in self._blocks
        )

    def unknown(self, known: AbstractSet[str]) -> list[str]:
        """Return the names of columns that are not in *known*, in the order of the body."""
        strange: list[Mapping[str, object]] = [
            row for row in self._singles if not row.keys() <= known
        ]
        if self._blocks:
            strange += [
                block.columns
                for block in self._blocks
                if block.rows and not block.columns.keys() <= known
            ]
        if not strange:
            return []
        return list(dict.fromkeys(name for row in strange for name in row if name not in known))

    def remove(self, names: AbstractSet[str]) -> list[Column]:
        """Remove the columns with *names*; return their present cells."""
        taken: list[Column] = []
        for at, row in enumerate(self._singles):
            if not names.isdisjoint(row):
                taken.append([cell for name, cell in row.items() if name in names])
                kept = {name: cell for name, cell in row.items() if name not in names}
                self._singles[at] = kept
        for at, block in enumerate(self._blocks):
            if not names.isdisjoint(block.columns):
                taken += [column for name, column in block.columns.items() if name in names]
                kept_columns = {
                    name: column for name, column in block.columns.items() if name not in names
                }
                self._blocks[at] = Block(block.rows, kept_columns)
        return taken

    def measure(self, parent: str, name: str) -> None:
        """Add a column *name* with the number of keys in *parent*; empty means the whole row."""
        for at, row in enumerate(self._singles):
            size = _size(parent, row)
            if size and name not in row:
                self._singles[at] = {**row, name: size}
        for at, block in enumerate(self._blocks):
            size = _size(parent, block.columns)
            if size and name not in block.columns:
                sizes = np.full(block.rows, float(size))
                self._blocks[at] = Block(block.rows, {**block.columns, name: sizes})

    def take_names_from(self, names: set[str]) -> None:
        """Remove the names of all columns from *names*."""
        for row in self._singles:
            names.difference_update(row)
        for block in self._blocks:
            names.difference_update(block.columns)

    def columns(self, expected: set[str]) -> dict[str, Column]:
        """Return every column seen or *expected*; an absent cell is None."""
        names = dict.fromkeys((*expected, *finished(self.present_in_steps())))
        return {name: self.column(name) for name in names}

    def column(self, name: str) -> Column:
        """Return one column with one cell per row; None for a row without the column."""
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
        """Find each column that was seen, without the rows that lack it.

        Rows and blocks are grouped by their keys first. The cost therefore grows with the number
        of present cells, not with rows times columns.
        """
        present: dict[str, Present] = {}
        rows_by_names = yield from _by_names(self._singles, tuple)
        for at, (names, rows) in enumerate(rows_by_names.items(), 1):
            for name in names:
                present.setdefault(name, Present()).add_rows(rows)
            if not at % _GROUPS_AT_ONCE:
                yield
        blocks_by_names = yield from _by_names(self._blocks, _names_of)
        for at, (names, blocks) in enumerate(blocks_by_names.items(), 1):
            count = sum(block.rows for block in blocks)
            for name in names:
                present.setdefault(name, Present()).add_blocks(blocks, count)
            if not at % _GROUPS_AT_ONCE:
                yield
        return present


def _by_names(
    items: Sequence[_Item], names_of: Callable[[_Item], tuple[str, ...]]
) -> Steps[dict[tuple[str, ...], list[_Item]]]:
    groups: dict[tuple[str, ...], list[_Item]] = {}
    for at, item in enumerate(items, 1):
        groups.setdefault(names_of(item), []).append(item)
        if not at % _ROWS_AT_ONCE:
            yield
    return groups


def _names_of(block: Block) -> tuple[str, ...]:
    return tuple(block.columns)


@dataclass(slots=True)
class Present:
    """The location of the present cells of one column.

    Attributes:
        count: Number of present cells.
    """

    count: int = 0
    _groups: list[list[Row]] = field(default_factory=list)
    _blocks: list[list[Block]] = field(default_factory=list)

    def add_rows(self, rows: list[Row]) -> None:
        """Add *rows* that have the column."""
        self._groups.append(rows)
        self.count += len(rows)

    def add_blocks(self, blocks: list[Block], rows: int) -> None:
        """Add *blocks* that have the column, with *rows* in total."""
        self._blocks.append(blocks)
        self.count += rows

    def cells(self, name: str) -> Column:
        """Return all cells of the column called *name*: rows first, then blocks."""
        parts = [block.columns[name] for blocks in self._blocks for block in blocks]
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


def _size(parent: str, names: Iterable[str]) -> int:
    """Return the number of keys of the object *parent* among dotted *names*."""
    inside = f"{parent}." if parent else ""
    at = len(inside)
    return len({name[at:].partition(".")[0] for name in names if name.startswith(inside)})
