"""Decodes JSON of no known protocol ("free JSON"): fields, rows, or a batch of lists."""

from nilometer.decode.columns import VALUE, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_rows import rows_of
from nilometer.decode.tensors import check_table, matrices_block, nested_block
from nilometer.profile.feature import Cell


def decode(value: Cell, side: Side) -> Facts:
    """Add the columns of a JSON *value*.

    Raises:
        Undecodable: If it is a list that is not a table.
    """
    _add(value, side)
    return Facts(Protocol.JSON, value)


def _add(value: Cell, side: Side) -> None:
    if isinstance(value, list):
        if not value or dict not in set(map(type, value)):
            side.add_block(nested_block(VALUE, value))
            return
        rows = rows_of(value)
        check_table(rows)
        side.add_rows(rows)
        return
    if isinstance(value, dict) and type(next(iter(value.values()), None)) is list:
        block = matrices_block(value)
        if block is not None:
            side.add_block(block)
            return
    rows = rows_of(value)
    check_table(rows)
    side.add_rows(rows)
