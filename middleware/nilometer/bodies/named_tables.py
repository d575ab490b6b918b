"""Keys of tables that have a list of column names beside the rows, as pandas and Seldon write."""

from collections.abc import Mapping
from typing import Any

FIELDS = "fields"
# Keys of the list of names: pandas', Seldon's, and that of Watson Machine Learning and H2O
NAMES = ("columns", "names", FIELDS)
_NAMED = frozenset({"columns", FIELDS})  # those of an object with the names and the rows only
_NAMED_ROWS = frozenset({"values", "rows", "score"})  # and the keys of the rows there
ROWS = ("data", "ndarray", "rows", "values")  # keys of the rows
TENSOR = "tensor"  # key of Seldon's flat cells with their shape
SERIES = frozenset({"name", "index", "data"})  # keys of one column
SPLIT = frozenset({"columns", "index", "data", "index_names", "column_names"})  # keys of a frame


def named_rows(table: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]] | None:
    """Return the names and the rows of a table, as Watson Machine Learning and H2O write it.

    The result is None if *table* has other keys than these and an id, or if a row has another length.
    """
    keys = table.keys() - {"id"}
    names_keys, rows_keys = keys & _NAMED, keys & _NAMED_ROWS
    if (len(keys), len(names_keys), len(rows_keys)) != (2, 1, 1):
        return None
    names, rows = table[names_keys.pop()], table[rows_keys.pop()]
    if not isinstance(names, list) or not isinstance(rows, list) or set(map(type, names)) != {str}:
        return None
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        return None
    return names, rows
