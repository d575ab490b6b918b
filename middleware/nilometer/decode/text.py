"""Decodes plain text, and responses wrongly declared as event streams; keeps only their length."""

from nilometer.decode import sse
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.protocol import Body, Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


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
    """Decode event frames as events, and everything else as text, whatever its content type."""
    content = body.content
    return sse.decode(content, side) if sse.is_stream(content) else decode(content, side)


FORMAT = Format(
    media_types=frozenset({"text/event-stream", "text/plain"}),
    often_json=True,  # some servers declare an event stream but send JSON
    decode=_decode,
)
