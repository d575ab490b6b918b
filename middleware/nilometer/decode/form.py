"""Decodes forms and query strings to one row of fields; repeated fields become lists.

Source: WHATWG URL, "application/x-www-form-urlencoded".
"""

from nilometer.bodies import carriers
from nilometer.bodies.column_names import MAX_COLUMNS
from nilometer.bodies.form import fields, is_form
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.naming import flat
from nilometer.decode.protocol import Body, Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def decode(text: str, protocol: Protocol, side: Side) -> Facts:
    """Add the row of *text*.

    Raises:
        Undecodable: If there are no fields or too many.
    """
    try:
        pairs = fields(text)
    except ValueError as error:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value) from error
    row: dict[str, Cell] = {}
    for name, cell in pairs:
        add_field(row, name, typed(cell))
    if not 0 < len(row) <= MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    side.add_rows([flat(row)])
    return Facts(protocol)


def add_field(row: dict[str, Cell], name: str, cell: Cell) -> None:
    """Add a field to *row*; the cells of a repeated field become a list."""
    if name not in row:
        row[name] = cell
        return
    held = row[name]
    if isinstance(held, list):
        held.append(cell)
    else:
        row[name] = [held, cell]


def _decode(body: Body, side: Side) -> Facts:
    text = body.content.decode("utf-8", "replace")
    if not is_form(text):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    return decode(text, Protocol.FORM, side)


FORMAT = Format.of(carriers.FORM, decode=_decode)
