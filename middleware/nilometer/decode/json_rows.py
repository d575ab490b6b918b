"""Free JSON: an object is a row, a list of objects is rows, a bare value is one cell."""

from collections.abc import Sequence

from nilometer.decode.budget import check_rows
from nilometer.decode.columns import VALUE, Row, flat
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def rows_of(value: Cell) -> Sequence[Row]:
    """The rows in a JSON *value*.

    Raises:
        Undecodable: If it is a list that is not of objects, or of scalars, or too long.
    """
    if isinstance(value, dict):
        return [flat(value)]
    if isinstance(value, list):
        kinds = set(map(type, value))
        if kinds == {dict}:
            check_rows(len(value))
            return [flat(item) for item in value]
        if not kinds & {dict, list}:
            check_rows(len(value))
            return [{VALUE: item} for item in value]
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return [{VALUE: value}]
