"""Decodes CSV and its dialects, with or without a header; see `nilometer.bodies.tables`.

A column is numeric if all its cells are numbers. Columns without a header are named by position.
"""

from collections.abc import Sequence

from nilometer.bodies import carriers
from nilometer.bodies.column_names import MAX_COLUMNS, table_names
from nilometer.bodies.media import in_utf8
from nilometer.bodies.tables import COMMA, MISSING, begins_with_header, is_decimal, table_of
from nilometer.decode.budget import check_cells, check_lines
from nilometer.decode.columns import Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.known import IsName, is_no_name
from nilometer.decode.protocol import Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_INFINITE = {
    sign + name: float(f"{sign}inf")
    for sign in ("", "+", "-")
    for name in ("inf", "Inf", "INF", "infinity", "Infinity")
}


def decode(body: bytes, content_type: str, side: Side, is_name: IsName = is_no_name) -> Facts:
    """Add the table of *body*, in UTF-8.

    Args:
        body: Text of the table.
        content_type: Declared content type; its parameter ``header`` is ``present`` or ``absent``.
        side: Side that the columns are added to.
        is_name: Function that returns whether a text is the known name of a column.

    Raises:
        Undecodable: If there are no cells, if rows differ in length, or if there are too many rows
            or cells.
    """
    check_lines(body)
    try:
        delimiter, table = table_of(in_utf8(body, content_type).decode("utf-8-sig"), content_type)
    except ValueError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    width = len(table[0]) if table else 0
    check_cells(len(table) * width)
    if not 0 < width <= MAX_COLUMNS or {len(row) for row in table} != {width}:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if begins_with_header(table, content_type, is_name):
        names, rows = table_names(table[0]), table[1:]
        dropped = 0 if table[0][-1] else 1  # for a delimiter at the end of each line
    else:
        names, rows, dropped = [*map(str, range(width))], table, 0
    cells_of = [*zip(*rows, strict=True)] if rows else [()] * width
    if dropped and any(cells_of[-1]):
        dropped = 0
    columns = {
        name: _typed(cells, delimiter)
        for name, cells in zip(names[: width - dropped], cells_of, strict=False)
    }
    side.add_block(Block(len(rows), columns))
    return Facts(Protocol.CSV)


def _typed(texts: Sequence[str], delimiter: str) -> list[Cell]:
    """Convert a column to numbers or booleans if all its present cells allow it; else keep text."""
    known = {text: _cell(text, delimiter) for text in set(texts)}
    kinds = {type(cell) for cell in known.values() if cell is not None}
    if kinds <= {int, float} or kinds == {bool}:
        return [known[text] for text in texts]
    return [None if text in MISSING else text for text in texts]


def _cell(text: str, delimiter: str) -> Cell:
    if text in MISSING:
        return None
    if text in _INFINITE:
        return _INFINITE[text]
    if delimiter != COMMA and is_decimal(text):
        return typed(text.replace(COMMA, "."))
    return typed(text)


FORMAT = Format.of(
    carriers.TABLE,
    decode=lambda body, side: decode(body.content, body.content_type, side, body.is_name),
)
