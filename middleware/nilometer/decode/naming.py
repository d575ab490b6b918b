"""Decides which keys of objects, CSV headers and form fields name a column.

A key that looks like a value is not a column name. An object with such keys is a map: it becomes
one cell, and its size is profiled. If all keys look like values and all values have one shape, the
keys are row ids and the object is rows. Integers that count the columns are positions, which are
valid column names.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice

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

    An object of more than `MAX_COLUMNS` keys cannot be a row. If its first `MAX_COLUMNS` keys look
    like values, all of its keys count as values, and the rest are not examined.

    Args:
        keys: Keys of the object.
        in_table: Whether every row of a table has these keys. If so, every integer below 1000 is a
            position. Otherwise integers are positions only if they count from 0 or 1.
    """
    if len(keys) <= _WIDEST_REMEMBERED:
        found = _values_among(tuple(keys))
    elif len(keys) > MAX_COLUMNS and _are_values(keys):
        return frozenset(keys)
    else:
        found = _values_among.__wrapped__(tuple(keys))
    if found:
        places = frozenset(filter(is_place, found))
        if in_table or _counts(places):
            found -= places
    return found


def _are_values(keys: Collection[str]) -> bool:
    """Return whether all *keys*, of many the first `MAX_COLUMNS`, look like values."""
    return all(map(looks_like_value, islice(keys, MAX_COLUMNS)))


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
    ``value`` at the top level. If two cells get one name, the less nested one keeps it, and the
    other one is numbered: ``{"a": {"b": 1}, "a.b": 2}`` becomes ``{"a.b": 2, "a.b.1": 1}``.

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
        cells.sort(key=lambda one: one[0])  # stable: cells of one depth keep their order
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
    """Flatten the objects among *rows*; integer keys that all of them have are positions.

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
                return list(objects)  # the usual table: its keys are examined once
    return [flat(row, in_table=in_table) for row in objects]


def _are_flat(rows: Sequence[dict[str, Cell]]) -> bool:
    """Return whether *rows* with the same keys have no nested object, and not too many columns."""
    if len(rows[0]) > MAX_COLUMNS:
        return False
    return all(dict not in set(map(type, row.values())) for row in rows)


def keyed_rows(value: Mapping[str, Cell]) -> list[dict[str, Cell]] | None:
    """Return the rows of an object that is keyed by row id; None for any other object.

    Either the keys of the object are row ids, or its keys are columns and theirs are row ids.
    """
    if not value:
        return None
    if _are_values(value):
        cells = list(value.values())
        if _are_rows(cells) or (value_like_keys(value) and _have_one_shape(cells)):
            return [cell if isinstance(cell, dict) else {VALUE: cell} for cell in cells]
        return None
    columns = list(value.values())
    if not _are_rows(columns) or value_like_keys(value):
        return None
    ids = columns[0].keys() if isinstance(columns[0], dict) else ()
    if not _are_values(ids):
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


def told_apart(names: Sequence[str]) -> list[str]:
    """Return *names* with repetitions numbered as pandas does: ``a``, ``a.1``, ``a.2``."""
    if len(set(names)) == len(names):
        return list(names)
    taken = set(names)
    repeated: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        at = repeated.get(name, 0)
        free = name
        while at and free in taken:
            free = f"{name}.{at}"
            at += 1
        repeated[name] = max(at, 1)
        taken.add(free)
        found.append(free)
    return found


def has_header(table: Sequence[Sequence[str]], is_name: Callable[[str], bool]) -> bool:
    """Guess whether the first row of *table* is a header with column names.

    A single row is not a header, because nothing tells its values from names. A first row is a
    header if its cells count the columns, or if some column has a word at the top and only values
    below. A table of words gives no such sign: its first row is a header if it has a known name.

    Args:
        table: Rows of text, at least one; the first few rows of a long table are enough.
        is_name: Function that returns whether a text is the known name of a column.
    """
    first, below = table[0], table[1:]
    if not below:
        return False
    values = [_is_value(cell) for cell in first]
    if not any(values) and any(map(is_name, first)):
        return True
    counted = [cell for cell in first if cell]
    if len(counted) >= len(first) - 1 and all(map(is_place, counted)) and _is_count(counted):
        return True
    return any(
        bool(cell) and not is_value and _has_only_values([row[at] for row in below])
        for at, (cell, is_value) in enumerate(zip(first, values, strict=True))
    )


def _has_only_values(cells: Sequence[str]) -> bool:
    """Return whether all *cells* are values or empty, with at least one value."""
    present = [cell for cell in cells if cell]
    return bool(present) and all(map(_is_value, present))


def _is_value(cell: str) -> bool:
    return looks_like_value(cell) or cell.casefold() in _CELLS


def _is_count(cells: Sequence[str]) -> bool:
    """Return whether *cells* are consecutive integers that start at 0 or 1."""
    numbers = [int(cell) for cell in cells]
    return numbers[0] <= 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
