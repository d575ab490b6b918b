"""Decodes plain text, and responses wrongly declared as event streams; keeps only their length."""

import re

from nilometer.decode import sse
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.media import media_type
from nilometer.decode.protocol import Body, Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_PLAIN = "text/plain"
_JSON_EVENT = re.compile(rb"(?:^|[\r\n])data: ?(?:[{\[])")


def decode(body: bytes, side: Side) -> Facts:
    """Add one row with the numbers of characters and words.

    Raises:
        Undecodable: If it is not valid UTF-8.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    side.add_rows([{"characters": len(text), "words": len(text.split())}])
    return Facts(Protocol.TEXT)


def _decode(body: Body, side: Side) -> Facts:
    """Decode event frames as events, and everything else as text.

    Plain text may begin like a field of an event, such as ``id:``. It is a stream only if an event
    has JSON, or the mark of the end.
    """
    content = body.content
    if sse.is_stream(content) and (
        media_type(body.content_type) != _PLAIN or _JSON_EVENT.search(content)
    ):
        return sse.decode(content, side)
    return decode(content, side)


FORMAT = Format(
    media_types=frozenset({"text/event-stream", "text/plain"}),
    often_json=True,  # some servers declare an event stream but send JSON
    decode=_decode,
)
