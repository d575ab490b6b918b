"""Converts nested lists and flat cells to columns, in the same way for every protocol.

The first dimension is the batch. A tensor of shape ``[n]`` or ``[n, 1]`` is one column with the
tensor's name. Shape ``[n, k]`` becomes *k* columns ``name.0`` to ``name.k-1``, up to 128 columns.
A wider or deeper tensor is one vector column of shape (n, ...).
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.column_names import (
    MAX_COLUMNS,
    tensor_names,
    told_apart,
    value_like_keys,
)
from nilometer.decode.budget import check_cells, check_rows
from nilometer.decode.columns import Block, Column, Row
from nilometer.decode.naming import flat_table
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_DIMENSIONS = 8  # deepest nesting of a list; deeper lists are cells

_NUMBERS = frozenset({int, float})
_NESTED = frozenset({list, dict})


def tensor_columns(
    name: str, cells: Sequence[Cell] | NDArray[np.generic], shape: Sequence[int]
) -> dict[str, Column]:
    """Return the columns of row-major *cells*, shape *shape*.

    Raises:
        Undecodable: If *shape* does not match the number of cells, rows are empty, or there are
            too many cells.
    """
    check_cells(len(cells))
    if prod(shape) != len(cells) or (shape and shape[0] and not len(cells)):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    names = tensor_names(name, shape)
    if names is not None:
        return {column: cells[at :: len(names)] for at, column in enumerate(names)}
    if not len(cells):  # without rows, vectors cannot be distinguished from columns
        return {name: []}
    return {name: _vectors(cells, shape)}


def _vectors(cells: Sequence[Cell] | NDArray[np.generic], shape: Sequence[int]) -> Column:
    if isinstance(cells, np.ndarray):
        return cells.reshape(shape)
    if set(map(type, cells)) <= _NUMBERS:
        try:
            return np.array(cells, dtype=np.float64).reshape(shape)
        except OverflowError:  # an integer too large for float64
            pass
    width = len(cells) // shape[0]
    return [cells[row * width : (row + 1) * width] for row in range(shape[0])]


def nested_columns(name: str, items: Sequence[Cell]) -> dict[str, Column]:
    """Return the columns of a nested list of unknown shape; a ragged row stays one list cell."""
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
    """Return the result of `nested_columns` as a block.

    Raises:
        Undecodable: If some items are lists and others are not.
    """
    kinds = set(map(type, items))
    if list in kinds and len(kinds) > 1:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return Block(len(items), nested_columns(name, items))


def add_columns(columns: dict[str, Column], found: Mapping[str, Column]) -> None:
    """Add the columns *found* to *columns*; repeated names are numbered as in `told_apart`.

    Raises:
        Undecodable: If there are then more than `MAX_COLUMNS` columns.
    """
    if columns.keys().isdisjoint(found):
        columns.update(found)
    else:
        names = told_apart([*found], before=columns.keys())
        columns.update(zip(names, found.values(), strict=True))
    if len(columns) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)


def batch_block(table: Mapping[str, Cell]) -> Block | None:
    """Return a block made of named lists of equal length.

    The result is None if a value is not a list, lengths differ, or a key looks like a value.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    if value_like_keys(table):
        return None
    columns: dict[str, Column] = {}
    rows: int | None = None
    for name, items in table.items():
        if not isinstance(items, list) or (rows is not None and len(items) != rows):
            return None
        rows = len(items)
        add_columns(columns, nested_columns(name, items))
    return None if rows is None else Block(rows, columns)


def matrices_block(table: Mapping[str, Cell]) -> Block | None:
    """Return the result of `batch_block`, but only if every value is a list of lists."""
    for items in table.values():
        if not isinstance(items, list) or not items or set(map(type, items)) != {list}:
            return None
        if any(isinstance(cell, list | dict) for item in items for cell in item):
            return None  # a tensor or a list of objects is a single cell of a row
    return batch_block(table)


def table_rows(items: Sequence[Cell]) -> list[Row]:
    """Return the rows of a list of objects.

    Raises:
        Undecodable: If an item is not an object, or the table has too many rows or columns.
    """
    check_rows(len(items))
    if set(map(type, items)) - {dict}:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    rows = flat_table(items)
    check_table(rows)
    return rows


def check_table(rows: Sequence[Row]) -> None:
    """Refuse rows that have too many columns in total.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    if len(rows) > 1 and len(set().union(*rows)) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
