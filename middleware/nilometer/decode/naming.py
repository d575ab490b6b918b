"""Decides which keys of objects, CSV headers and form fields are column names.

A key that looks like a value is not a column name. An object with such keys is a map: it becomes
one cell, and its size is profiled. If all keys look like values and all values have one shape, the
keys are row ids, and the object is a set of rows. Integers that number the columns are positions,
which are valid column names.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from nilometer.bodies.column_names import (
    MAX_COLUMNS,
    VALUE,
    are_values,
    told_apart,
    value_like_keys,
)
from nilometer.decode.columns import Row
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_DEPTH = 4  # depth of nested objects that get dotted names; a deeper object is one cell
_NUMBERS = frozenset({int, float})


def flat(row: dict[str, Cell], *, in_table: bool = False) -> dict[str, Cell]:
    """Return a nested object as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Entries whose keys look like values stay one cell. It is named after their object, or ``value``
    at the top level. If two cells have the same name, the less nested one keeps it and the other
    one is numbered: ``{"a": {"b": 1}, "a.b": 2}`` becomes ``{"a.b": 2, "a.b.1": 1}``.

    Args:
        row: Object to flatten.
        in_table: Whether every row of a table has these keys, as for `value_like_keys`.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    nothing = value_like_keys(row, in_table=in_table)
    if not nothing and dict not in set(map(type, row.values())):
        if len(row) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        return row  # the usual case
    cells: list[tuple[int, str, Cell]] = []
    _flatten(row, nothing, "", 1, cells)
    columns = {name: cell for _, name, cell in cells}
    if len(columns) < len(cells):
        cells.sort(key=lambda one: one[0])  # cells of one depth keep their order
        names = told_apart([name for _, name, _ in cells])
        columns = {name: cell for name, (_, _, cell) in zip(names, cells, strict=True)}
    return columns


def _flatten(
    row: Mapping[str, Cell],
    nothing: AbstractSet[str],
    prefix: str,
    depth: int,
    cells: list[tuple[int, str, Cell]],
) -> None:
    """Add depth, name and value of each cell of *row* to *cells*."""
    for key, cell in row.items():
        if key in nothing:
            continue
        if isinstance(cell, dict) and depth < MAX_DEPTH:
            _flatten(cell, value_like_keys(cell), f"{prefix}{key}.", depth + 1, cells)
        else:
            cells.append((depth, f"{prefix}{key}", cell))
        if len(cells) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if nothing:
        cells.append((depth, prefix[:-1] or VALUE, {key: row[key] for key in nothing}))


def flat_table(rows: Sequence[Cell]) -> list[Row]:
    """Flatten the objects in *rows*; integer keys count as positions if all objects have them.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    objects = [row for row in rows if isinstance(row, dict)]
    in_table = len(objects) > 1
    if in_table:
        keys = objects[0].keys()
        for row in objects:
            if row.keys() != keys:
                in_table = False
                break
        else:
            if not value_like_keys(keys, in_table=True) and _are_flat(objects):
                return list(objects)  # the usual table: the keys are examined once
    return [flat(row, in_table=in_table) for row in objects]


def _are_flat(rows: Sequence[dict[str, Cell]]) -> bool:
    """Return whether *rows* with equal keys contain no nested object, and not too many columns."""
    if len(rows[0]) > MAX_COLUMNS:
        return False
    return all(dict not in set(map(type, row.values())) for row in rows)


def keyed_rows(value: Mapping[str, Cell]) -> list[dict[str, Cell]] | None:
    """Return the rows of an object whose keys are row ids; None for any other object.

    Either the keys of the object are row ids, or they are columns and the inner keys are row ids.
    """
    if not value:
        return None
    if are_values(value):
        cells = list(value.values())
        if _are_rows(cells) or (value_like_keys(value) and _have_one_shape(cells)):
            return [cell if isinstance(cell, dict) else {VALUE: cell} for cell in cells]
        return None
    columns = list(value.values())
    if not _are_rows(columns) or value_like_keys(value):
        return None
    ids = columns[0].keys() if isinstance(columns[0], dict) else ()
    if not are_values(ids):
        return None
    if not all(isinstance(one, dict) and _have_one_shape([*one.values()]) for one in columns):
        return None
    return [{name: one[row] for name, one in value.items() if isinstance(one, dict)} for row in ids]


def _are_rows(cells: Sequence[Cell]) -> bool:
    """Return whether *cells* are non-empty objects with the same keys."""
    first = cells[0]
    if not isinstance(first, dict) or not first:
        return False
    return all(isinstance(cell, dict) and cell.keys() == first.keys() for cell in cells)


def _have_one_shape(cells: Sequence[Cell]) -> bool:
    """Return whether *cells* are all numbers, one scalar type, lists of one length, or rows."""
    kinds = set(map(type, cells))
    if kinds <= _NUMBERS:
        return True
    if len(kinds) != 1:
        return False
    if kinds == {list}:
        return len({len(cell) for cell in cells if isinstance(cell, list)}) == 1
    return _are_rows(cells) if kinds == {dict} else True
