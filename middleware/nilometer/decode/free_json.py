"""Decodes JSON of no known protocol ("free JSON"): fields, rows, or a batch of lists."""

from nilometer.decode.columns import VALUE, Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_rows import rows_of
from nilometer.decode.scored import scored_row, scored_rows
from nilometer.decode.tensors import check_table, matrices_block, nested_block
from nilometer.decode.wrapped import table_in
from nilometer.profile.feature import Cell

_NESTED = frozenset({list, dict})


def decode(value: Cell, side: Side) -> Facts:
    """Add the columns of a JSON *value*.

    Raises:
        Undecodable: If it is a list that is not a table.
    """
    _add(value, side)
    return Facts(Protocol.JSON, value)


def _add(value: Cell, side: Side) -> None:
    if isinstance(value, list):
        scored = scored_rows(value) or scored_row(value)
        if scored:
            side.add_rows(scored)
            return
        if dict not in set(map(type, value)):
            side.add_block(nested_block(VALUE, value))
            return
    if isinstance(value, dict) and not _NESTED.isdisjoint(map(type, value.values())):
        table = matrices_block(value) or table_in(value)
        if isinstance(table, Block):
            side.add_block(table)
            return
        if table is not None:
            side.add_rows(table)
            return
    rows = rows_of(value)
    check_table(rows)
    side.add_rows(rows)
