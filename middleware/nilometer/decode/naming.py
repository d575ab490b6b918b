"""Decides which keys of objects, CSV headers and form fields name a column.

A key that looks like a value is not a column name. An object with such keys is a map: it becomes
one cell, and its size is profiled. If all keys look like values and all values have one shape, the
keys are row ids and the object is rows. Integers that count the columns are positions, which are
valid column names.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from nilometer.decode.columns import MAX_COLUMNS, VALUE, Row
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason
from nilometer.values.value_like import is_place, looks_like_value

_REMEMBERED = 64  # cached key sets; real traffic has few
_WIDEST_REMEMBERED = 256  # most keys of a cached key set
MAX_DEPTH = 4  # depth of nested objects that get dotted names; a deeper object is one cell
_NUMBERS = frozenset({int, float})
_CELLS = frozenset({"nan", "inf", "-inf", "na", "n/a", "null", "none", "true", "false"})


def value_like_keys(keys: Collection[str], *, in_table: bool = False) -> frozenset[str]:
    """Return the keys of one object that look like values and so cannot name columns.

    Args:
        keys: Keys of the object.
        in_table: Whether every row of a table has these keys. If so, every integer below 1000 is a
            position. Otherwise integers are positions only if they count from 0 or 1.
    """
    wide = len(keys) > _WIDEST_REMEMBERED
    found = _values_among.__wrapped__(tuple(keys)) if wide else _values_among(tuple(keys))
    if found:
        places = frozenset(filter(is_place, found))
        if in_table or _counts(places):
            found -= places
    return found


@lru_cache(_REMEMBERED)
def _values_among(keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(looks_like_value, keys))


def _counts(places: Collection[str]) -> bool:
    """Return whether *places* are 0 to n - 1, or 1 to n."""
    first = min(map(int, places), default=0)
    return first <= 1 and max(map(int, places), default=0) == first + len(places) - 1


def placed(names: Sequence[str]) -> list[str]:
    """Return the column *names* of a table, with invalid or empty names replaced by positions."""
    strange = value_like_keys(names, in_table=True)
    if not strange and "" not in names:
        return list(names)
    return [
        str(place) if not name or name in strange or is_place(name) else name
        for place, name in enumerate(names)
    ]


def flat(row: dict[str, Cell], *, in_table: bool = False) -> dict[str, Cell]:
    """Return a nested object as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Entries whose keys look like values stay one cell under the name of their object, or under
    ``value`` at the top level.

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
    columns: dict[str, Cell] = {}
    _flatten(row, nothing, "", 1, columns)
    return columns


def _flatten(
    row: Mapping[str, Cell],
    nothing: AbstractSet[str],
    prefix: str,
    depth: int,
    columns: dict[str, Cell],
) -> None:
    for key, cell in row.items():
        if key in nothing:
            continue
        if isinstance(cell, dict) and depth < MAX_DEPTH:
            _flatten(cell, value_like_keys(cell), f"{prefix}{key}.", depth + 1, columns)
        else:
            columns[f"{prefix}{key}"] = cell
        if len(columns) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if nothing:
        columns.setdefault(prefix[:-1] or VALUE, {key: row[key] for key in nothing})


def flat_table(rows: Sequence[Cell]) -> list[Row]:
    """Flatten the objects among *rows*; integer keys that all of them have are positions.

    Raises:
        Undecodable: If there are more than `MAX_COLUMNS` columns.
    """
    objects = [row for row in rows if isinstance(row, dict)]
    in_table = len(objects) > 1 and all(row.keys() == objects[0].keys() for row in objects)
    return [flat(row, in_table=in_table) for row in objects]


def keyed_rows(value: Mapping[str, Cell]) -> list[dict[str, Cell]] | None:
    """Return the rows of an object that is keyed by row id; None for any other object.

    Either the keys of the object are row ids, or its keys are columns and theirs are row ids.
    """
    if not value:
        return None
    if all(map(looks_like_value, value)):
        cells = list(value.values())
        if _are_rows(cells) or (value_like_keys(value) and _have_one_shape(cells)):
            return [cell if isinstance(cell, dict) else {VALUE: cell} for cell in cells]
        return None
    columns = list(value.values())
    if not _are_rows(columns) or value_like_keys(value):
        return None
    ids = columns[0].keys() if isinstance(columns[0], dict) else ()
    if not all(map(looks_like_value, ids)):
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
    """Return whether *cells* are all numbers, all one scalar type, equally long lists, or rows."""
    kinds = set(map(type, cells))
    if kinds <= _NUMBERS:
        return True
    if len(kinds) != 1:
        return False
    if kinds == {list}:
        return len({len(cell) for cell in cells if isinstance(cell, list)}) == 1
    return _are_rows(cells) if kinds == {dict} else True


def has_header(table: Sequence[Sequence[str]]) -> bool:
    """Guess whether the first row of *table* is a header with column names.

    A first row without values is a header. A first row with values is a header in two cases: its
    values count the columns, or some column has a word at the top and only values below.

    Args:
        table: Rows of text, at least one; the first few rows of a long table are enough.
    """
    first, below = table[0], table[1:]
    values = [looks_like_value(cell) or cell.casefold() in _CELLS for cell in first]
    if not any(values):
        return True
    if not below:
        return False
    counted = [cell for cell in first if cell]
    if len(counted) >= len(first) - 1 and all(map(is_place, counted)) and _is_count(counted):
        return True
    return any(
        bool(cell) and not is_value and all(looks_like_value(row[at]) for row in below)
        for at, (cell, is_value) in enumerate(zip(first, values, strict=True))
    )


def _is_count(cells: Sequence[str]) -> bool:
    """Return whether *cells* are consecutive integers that start at 0 or 1."""
    numbers = [int(cell) for cell in cells]
    return numbers[0] <= 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
