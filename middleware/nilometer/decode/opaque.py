"""Bytes of no known format: only JSON is read under their content type."""

from nilometer.decode.columns import Side
from nilometer.decode.json_body import begins_like_json
from nilometer.decode.protocol import Body, Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def _refuse(body: Body, side: Side) -> None:
    """Say what is wrong with bytes that are no JSON.

    Raises:
        Undecodable: ``malformed`` where they begin like JSON, else ``unknown_content_type``.
    """
    del side
    if begins_like_json(body.content):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    raise Undecodable(UndecodableReason.UNKNOWN_CONTENT_TYPE.value)


FORMAT = Format(
    media_types=frozenset({"application/octet-stream"}), often_json=True, decode=_refuse
)
