"""Decodes JSON without a known protocol ("free JSON"): fields, rows, or a batch of lists."""

from collections.abc import Sequence

from nilometer.bodies.column_names import MAX_COLUMNS, VALUE, value_like_keys
from nilometer.bodies.scored import best_of, best_of_each
from nilometer.decode.columns import Block, Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_rows import rows_of
from nilometer.decode.tensors import check_table, matrices_block, nested_block
from nilometer.decode.wrapped import table_in
from nilometer.profile.feature import Cell

_RPC = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_NESTED = frozenset({list, dict})


def decode(value: Cell, side: Side) -> Facts:
    """Add the columns of a JSON *value*.

    Raises:
        Undecodable: If *value* is a list that is not a table.
    """
    _add(without_envelope(value), side)
    return Facts(Protocol.JSON, value)


def without_envelope(value: Cell) -> Cell:
    """Return the payload of a JSON-RPC message; return any other value unchanged."""
    if isinstance(value, dict) and "jsonrpc" in value and value.keys() <= _RPC:
        for key in ("params", "result"):
            if key in value:
                return value[key] if isinstance(value[key], dict | list) else {key: value[key]}
    return value


def _add(value: Cell, side: Side) -> None:
    table: Block | Sequence[Row] | None = None
    if isinstance(value, dict):
        nested = not _NESTED.isdisjoint(map(type, value.values()))
        if not nested and len(value) <= MAX_COLUMNS and not value_like_keys(value):
            side.add_rows([value])  # the usual case
            return
        table = matrices_block(value) or table_in(value) if nested else None
    elif isinstance(value, list):
        best = best_of(value)
        table = best_of_each(value) if best is None else [best]
        if table is None and dict not in set(map(type, value)):
            table = nested_block(VALUE, value)
    if isinstance(table, Block):
        side.add_block(table)
        return
    rows = rows_of(value) if table is None else table
    check_table(rows)
    side.add_rows(rows)
