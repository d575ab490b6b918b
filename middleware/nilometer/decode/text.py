"""Plain text, and streams that are not framed as they are declared: only how long they are."""

from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def decode(body: bytes, side: Side) -> Facts:
    """Add one row: characters and words.

    Raises:
        Undecodable: If it is not UTF-8.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    side.add_rows([{"characters": len(text), "words": len(text.split())}])
    return Facts(Protocol.TEXT)
