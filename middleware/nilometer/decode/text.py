"""Decodes plain text, and responses wrongly declared as event streams; only keeps lengths."""

from nilometer.bodies import carriers
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
    return decode(body.content, side)


STREAM = Format.of(carriers.STREAM, decode=_decode)
FORMAT = Format.of(carriers.TEXT, decode=_decode)
