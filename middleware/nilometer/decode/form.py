"""Decodes forms and query strings to one row of fields; a repeated field becomes a list.

Source: WHATWG URL, "application/x-www-form-urlencoded".
"""

from urllib.parse import parse_qsl

from nilometer.decode.columns import MAX_COLUMNS, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.naming import flat
from nilometer.decode.protocol import Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_FIELDS = 10 * MAX_COLUMNS  # fields of one form, with repetitions


def decode(text: str, protocol: Protocol, side: Side) -> Facts:
    """Add the row of *text*.

    Raises:
        Undecodable: If it has no fields or too many.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value) from error
    row: dict[str, Cell] = {}
    for name, cell in pairs:
        if name not in row:
            row[name] = typed(cell)
            continue
        held = row[name]
        if isinstance(held, list):
            held.append(typed(cell))
        else:
            row[name] = [held, typed(cell)]
    if not 0 < len(row) <= MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    side.add_rows([flat(row)])
    return Facts(protocol)


FORMAT = Format(
    media_types=frozenset({"application/x-www-form-urlencoded"}),
    often_json=True,  # curl and other clients declare this type by default
    decode=lambda body, side: decode(body.content.decode("utf-8", "replace"), Protocol.FORM, side),
)
