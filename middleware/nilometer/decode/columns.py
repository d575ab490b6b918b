"""Named columns, the result of decoding a body."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature import Cell
from nilometer.values.steps import Steps, finished

ROWS_AT_ONCE = 128  # rows per step
GROUPS_AT_ONCE = 16  # groups of rows with the same names per step

_CELL_BYTES = 24  # average memory of a cell in a block, for numbers and short strings
_ADDED_BYTES = 64  # memory of a cell that is added to a row

_Item = TypeVar("_Item")
Row = Mapping[str, Cell]
Column = Sequence[Cell] | NDArray[np.generic]  # cells, or an array of shape (rows, ...)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of equal length: ``len(column) == rows`` for each.

    Attributes:
        rows: Number of rows.
        columns: Cells by name.
        is_vetted: Whether the decoder checked the names, so that integers among them are positions.
            False if the names are as the client sent them.
    """

    rows: int
    columns: Mapping[str, Column]
    is_vetted: bool = True

    @property
    def weight(self) -> int:
        """Approximate memory, in bytes."""
        return _CELL_BYTES * self.rows * len(self.columns)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a side that have the same names: either single rows, or one block.

    Attributes:
        names: Names of the columns.
        rows: Number of rows.
        places: Positions of the rows among the single rows; of a block, its own position.
        is_block: Whether it is a block.
        is_vetted: Whether the decoder checked the names, as for `Block`.
    """

    names: Sequence[str]
    rows: int
    places: Sequence[int]
    is_block: bool = False
    is_vetted: bool = True


@dataclass(slots=True)
class Side:
    """Inputs or outputs of many observations, collected into one set of columns.

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

    @property
    def singles(self) -> int:
        """Number of rows that were added by `add_rows`."""
        return len(self._singles)

    @property
    def blocks(self) -> int:
        """Number of blocks that were added."""
        return len(self._blocks)

    def mark(self) -> tuple[int, int, int, int]:
        """Return a mark of the current content, for `back_to`."""
        return self.rows, self.weight, len(self._singles), len(self._blocks)

    def back_to(self, mark: tuple[int, int, int, int]) -> None:
        """Remove everything that was added since `mark` returned *mark*."""
        self.rows, self.weight, singles, blocks = mark
        del self._singles[singles:], self._blocks[blocks:]

    def kinds(self, first: int) -> set[type]:
        """Return the types of the cells in the rows of `add_rows`, from row *first*."""
        found: set[type] = set()
        for row in self._singles[first:]:
            found.update(map(type, row.values()))
        return found

    def change_rows(self, first: int, change: Callable[[Sequence[Row]], Sequence[Row]]) -> None:
        """Replace the rows of `add_rows`, from row *first*, with the result of *change*.

        Args:
            first: Number of a row, counted from 0 in the order in which rows were added.
            change: Function from rows to the same number of rows.
        """
        self._singles[first:] = change(self._singles[first:])

    def has_row(self, first: int, test: Callable[[Row], bool]) -> bool:
        """Return whether *test* is true for any row of `add_rows`, from row *first*."""
        return any(map(test, self._singles[first:]))

    def change_blocks(
        self, first: int, change: Callable[[Mapping[str, Column]], Mapping[str, Column]]
    ) -> None:
        """Replace the columns of the blocks, from block *first*, with the result of *change*."""
        for at, block in enumerate(self._blocks[first:], first):
            columns = change(block.columns)
            if columns is not block.columns:
                self._blocks[at] = Block(block.rows, columns, block.is_vetted)

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
        return not self._blocks or all(
            not block.rows or block.columns.keys() <= names for block in self._blocks
        )

    def groups_in_steps(self) -> Steps[list[Group]]:
        """Group the rows by their names, in steps; each block is a group."""
        singles = self._singles
        places = yield from _by_names(range(len(singles)), lambda at: tuple(singles[at]))
        groups = [Group(names, len(rows), rows) for names, rows in places.items()]
        for at, block in enumerate(self._blocks):
            names = tuple(block.columns)
            groups.append(Group(names, block.rows, (at,), is_block=True, is_vetted=block.is_vetted))
        return groups

    def change_in_steps(
        self, group: Group, removed: AbstractSet[str], added: Mapping[str, float]
    ) -> Steps[list[Column]]:
        """Change the columns of one group, in steps.

        Args:
            group: Group of this side, as `groups_in_steps` returned it.
            removed: Names of the columns to remove.
            added: Names of the columns to add, each with the value of all its cells.

        Returns:
            Removed cells.
        """
        taken = [name for name in group.names if name in removed]
        kept = [name for name in group.names if name not in removed]
        if group.is_block:
            (place,) = group.places
            columns = self._blocks[place].columns
            changed = {name: columns[name] for name in kept}
            changed |= {name: np.full(group.rows, value) for name, value in added.items()}
            self._blocks[place] = Block(group.rows, changed, group.is_vetted)
            self.weight += _CELL_BYTES * group.rows * len(added)
            return [columns[name] for name in taken]
        cells: list[Cell] = []
        for at, place in enumerate(group.places, 1):
            row = self._singles[place]
            cells += [row[name] for name in taken]
            self._singles[place] = {**{name: row[name] for name in kept}, **added}
            if not at % ROWS_AT_ONCE:
                yield
        self.weight += _ADDED_BYTES * group.rows * len(added)
        return [cells]

    def take(self, name: str) -> list[Column]:
        """Remove the column *name*; return its cells as one or more pieces."""
        taken: list[Column] = []
        for at, row in enumerate(self._singles):
            if name in row:
                taken.append([row[name]])
                self._singles[at] = {key: cell for key, cell in row.items() if key != name}
        for at, block in enumerate(self._blocks):
            if name in block.columns:
                columns = dict(block.columns)
                taken.append(columns.pop(name))
                self._blocks[at] = Block(block.rows, columns, block.is_vetted)
        return taken

    def columns(self, expected: set[str]) -> dict[str, Column]:
        """Return every column that was seen or *expected*; absent cells are None."""
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
        """Find the present cells of each column that was seen.

        Rows and blocks are first grouped by their keys. So the cost grows with the number of
        present cells, not with rows times columns.
        """
        present: dict[str, Present] = {}
        rows_by_names = yield from _by_names(self._singles, tuple)
        for at, (names, rows) in enumerate(rows_by_names.items(), 1):
            for name in names:
                present.setdefault(name, Present()).add_rows(rows)
            if not at % GROUPS_AT_ONCE:
                yield
        blocks_by_names = yield from _by_names(self._blocks, _names_of)
        for at, (names, blocks) in enumerate(blocks_by_names.items(), 1):
            count = sum(block.rows for block in blocks)
            for name in names:
                present.setdefault(name, Present()).add_blocks(blocks, count)
            if not at % GROUPS_AT_ONCE:
                yield
        return present


def _by_names(
    items: Sequence[_Item], names_of: Callable[[_Item], tuple[str, ...]]
) -> Steps[dict[tuple[str, ...], list[_Item]]]:
    groups: dict[tuple[str, ...], list[_Item]] = {}
    for at, item in enumerate(items, 1):
        groups.setdefault(names_of(item), []).append(item)
        if not at % ROWS_AT_ONCE:
            yield
    return groups


def _names_of(block: Block) -> tuple[str, ...]:
    return tuple(block.columns)


@dataclass(slots=True)
class Present:
    """The positions of the present cells of one column.

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

    @property
    def is_in_order(self) -> bool:
        """Whether `cells` are in the order of `Side.column`: groups of names do not interleave."""
        return len(self._groups) <= 1 and len(self._blocks) <= 1

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
