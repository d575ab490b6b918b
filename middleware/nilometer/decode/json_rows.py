"""Converts free JSON to rows.

An object is one row, or several rows if its keys are row ids. A list of objects is a list of rows.
A plain value is one cell.
"""

from collections.abc import Sequence

from nilometer.bodies.column_names import MAX_COLUMNS, VALUE, value_like_keys
from nilometer.decode.budget import check_rows
from nilometer.decode.columns import Row
from nilometer.decode.naming import flat, flat_table, keyed_rows
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_OBJECTS = {dict}


def rows_of(value: Cell) -> Sequence[Row]:
    """Return the rows in a JSON *value*.

    Raises:
        Undecodable: If *value* is a list of lists, a list of mixed kinds, or too long.
    """
    if isinstance(value, dict):
        kinds = set(map(type, value.values()))
        nothing = value_like_keys(value)
        if not nothing and dict not in kinds and len(value) <= MAX_COLUMNS:
            return [value]  # the usual case
        if not nothing and kinds != _OBJECTS:
            return [flat(value)]
        rows = keyed_rows(value)
        return [flat(value)] if rows is None else flat_table(rows)
    if isinstance(value, list):
        kinds = set(map(type, value))
        if kinds == {dict}:
            check_rows(len(value))
            return flat_table(value)
        if not kinds & {dict, list}:
            check_rows(len(value))
            return [{VALUE: item} for item in value]
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return [{VALUE: value}]
