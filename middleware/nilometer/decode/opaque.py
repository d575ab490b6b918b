"""Web pages and similar bodies, which are decoded only if they contain JSON."""

from nilometer.bodies import carriers
from nilometer.bodies.json_text import begins_like_json
from nilometer.decode.columns import Side
from nilometer.decode.protocol import Body, Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def _refuse(body: Body, side: Side) -> None:
    """Refuse bytes that are not valid JSON.

    Raises:
        Undecodable: ``malformed`` if the bytes begin like JSON, otherwise ``unknown_content_type``.
    """
    del side
    if begins_like_json(body.content):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    raise Undecodable(UndecodableReason.UNKNOWN_CONTENT_TYPE.value)


FORMAT = Format.of(carriers.PAGES, decode=_refuse)
