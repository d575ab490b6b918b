"""Nested lists and flat cells to columns, by one rule for every protocol.

The first dimension is the batch. ``[n]`` and ``[n, 1]`` are one column by the tensor's name;
``[n, k]`` are *k* columns ``name.0`` to ``name.k-1`` up to `MAX_WIDTH`; what is wider or deeper
is one vector column, of shape (n, ...).
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from nilometer.decode.budget import check_cells, check_rows
from nilometer.decode.columns import MAX_COLUMNS, Block, Column, Row
from nilometer.decode.naming import flat_table, names_nothing
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_WIDTH = 128  # a wider tensor is a vector, not columns
MAX_DIMENSIONS = 8  # of a nested list; deeper ones stay cells

_NUMBERS = frozenset({int, float})
_NESTED = frozenset({list, dict})


def column_names(name: str, shape: Sequence[int]) -> list[str] | None:
    """The columns of a tensor of *shape*; None where it is one vector column."""
    width = prod(shape[1:])
    if width <= 1:
        return [name]
    if len(shape) > 2 or width > MAX_WIDTH:
        return None
    return [f"{name}.{column}" for column in range(width)]


def tensor_columns(
    name: str, cells: Sequence[Cell] | NDArray[np.generic], shape: Sequence[int]
) -> dict[str, Column]:
    """Columns of row-major *cells*, of which there are as many as *shape* says.

    Raises:
        Undecodable: If they are not as many, if rows have no cells, or if there are too many.
    """
    check_cells(len(cells))
    if prod(shape) != len(cells) or (shape and shape[0] and not len(cells)):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    names = column_names(name, shape)
    if names is not None:
        return {column: cells[at :: len(names)] for at, column in enumerate(names)}
    if not len(cells):  # no rows: nothing tells vectors from columns
        return {name: []}
    return {name: _vectors(cells, shape)}


def _vectors(cells: Sequence[Cell] | NDArray[np.generic], shape: Sequence[int]) -> Column:
    if isinstance(cells, np.ndarray):
        return cells.reshape(shape)
    if set(map(type, cells)) <= _NUMBERS:
        try:
            return np.array(cells, dtype=np.float64).reshape(shape)
        except OverflowError:  # an integer beyond float64
            pass
    width = len(cells) // shape[0]
    return [cells[row * width : (row + 1) * width] for row in range(shape[0])]


def nested_columns(name: str, items: Sequence[Cell]) -> dict[str, Column]:
    """Columns of a nested list whose shape nobody told; ragged rows stay one list a cell."""
    shape = [len(items)]
    level = items
    while level and set(map(type, level)) == {list} and len(shape) <= MAX_DIMENSIONS:
        widths = {len(item) for item in level if isinstance(item, list)}
        if len(widths) != 1 or 0 in widths:
            return {name: items}
        shape.append(widths.pop())
        level = list(chain.from_iterable(item for item in level if isinstance(item, list)))
    if _NESTED & set(map(type, level)):
        return {name: items}
    return tensor_columns(name, level, shape)


def nested_block(name: str, items: Sequence[Cell]) -> Block:
    """A block of `nested_columns`.

    Raises:
        Undecodable: If some items are lists and others are not.
    """
    kinds = set(map(type, items))
    if list in kinds and len(kinds) > 1:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return Block(len(items), nested_columns(name, items))


def batch_block(table: Mapping[str, Cell]) -> Block | None:
    """The block of named lists of one length.

    None where a value is no list, lengths differ, or a key looks like a value.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    if names_nothing(table):
        return None
    columns: dict[str, Column] = {}
    rows: int | None = None
    for name, items in table.items():
        if not isinstance(items, list) or (rows is not None and len(items) != rows):
            return None
        rows = len(items)
        columns |= nested_columns(name, items)
        if len(columns) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return None if rows is None else Block(rows, columns)


def matrices_block(table: Mapping[str, Cell]) -> Block | None:
    """As `batch_block`, only where every value is a list of lists: a batch, and no fields."""
    for items in table.values():
        if not isinstance(items, list) or not items or set(map(type, items)) != {list}:
            return None
        if any(isinstance(cell, list | dict) for item in items for cell in item):
            return None  # a tensor, or objects: one cell of a row
    return batch_block(table)


def table_rows(items: Sequence[Cell]) -> list[Row]:
    """Rows of objects.

    Raises:
        Undecodable: If one is no object, or if the table has too many rows or columns.
    """
    check_rows(len(items))
    if set(map(type, items)) - {dict}:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    rows = flat_table(items)
    check_table(rows)
    return rows


def check_table(rows: Sequence[Row]) -> None:
    """Refuse rows that have too many columns between them.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    if len(rows) > 1 and len(set().union(*rows)) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
