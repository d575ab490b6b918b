"""Names columns: which keys and headers are column names, and how other columns are named.

A key that looks like a value is not a column name. Integers that number the columns are positions,
which are valid column names. Decoders name columns by these rules. Redaction uses the same rules to
find the columns that a redaction rule names.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import islice
from math import prod

from nilometer.values.value_like import is_place, looks_like_value

MAX_COLUMNS = 1000  # column limit of one body; a body with more columns does not count as a table
MAX_WIDTH = 128  # a wider tensor becomes a single vector column
VALUE = "value"  # column name of a body that consists of one plain value

_REMEMBERED = 64  # number of cached key sets; real traffic has few different ones
_WIDEST_REMEMBERED = 256  # a larger key set is not cached


def value_like_keys(keys: Collection[str], *, in_table: bool = False) -> frozenset[str]:
    """Return the keys of one object that look like values and so cannot name columns.

    An object of more than `MAX_COLUMNS` keys cannot be a row. If its first `MAX_COLUMNS` keys look
    like values, all of its keys count as values, and the rest are not examined.

    Args:
        keys: Keys of the object.
        in_table: Whether every row of a table has these keys. If so, every integer below 1000 is a
            position. Otherwise integers are positions only if they are consecutive from 0 or 1.
    """
    if len(keys) <= _WIDEST_REMEMBERED:
        found = _values_among(tuple(keys))
    elif len(keys) > MAX_COLUMNS and are_values(keys):
        return frozenset(keys)
    else:
        found = _values_among.__wrapped__(tuple(keys))
    if found:
        places = frozenset(filter(is_place, found))
        if in_table or _counts(places):
            found -= places
    return found


def are_values(keys: Collection[str]) -> bool:
    """Return whether all *keys* look like values; of many keys, only the first are examined."""
    return all(map(looks_like_value, islice(keys, MAX_COLUMNS)))


@lru_cache(_REMEMBERED)
def _values_among(keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(looks_like_value, keys))


def _counts(places: Collection[str]) -> bool:
    """Return whether *places* are exactly 0 to n - 1, or 1 to n."""
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


def told_apart(names: Sequence[str], before: Collection[str] = ()) -> list[str]:
    """Return *names* with repetitions numbered as pandas does: ``a``, ``a.1``, ``a.2``.

    Args:
        names: Names of columns, in order.
        before: Names of the columns before them, none of them twice.
    """
    taken = {*before, *names}
    if len(taken) == len(before) + len(names):
        return list(names)
    repeated: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        at = repeated.get(name, 1 if name in before else 0)
        free = name
        while at and free in taken:
            free = f"{name}.{at}"
            at += 1
        repeated[name] = max(at, 1)
        taken.add(free)
        found.append(free)
    return found


def table_names(names: Sequence[str]) -> list[str]:
    """Return the names of the columns of a table, made unique."""
    return told_apart(placed(names))


def frame_name(column: object) -> str:
    """Return the name of a data frame's column; a name with several levels is a list."""
    return ".".join(map(str, column)) if isinstance(column, list) else str(column)


def series_name(name: object) -> str:
    """Return the column name of a series, as pandas writes one to JSON."""
    return name if isinstance(name, str) else VALUE


def tensor_names(name: str, shape: Sequence[int]) -> list[str] | None:
    """Return the column names of a tensor of *shape*; None if it becomes one vector column."""
    width = prod(shape[1:])
    if width <= 1:
        return [name]
    if len(shape) > 2 or width > MAX_WIDTH:
        return None
    return [f"{name}.{column}" for column in range(width)]
