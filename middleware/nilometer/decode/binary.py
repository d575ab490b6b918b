"""Describes images, audio, video and unknown bytes by their size and content type.

The content is not kept. Unknown bytes are decoded if they are a numpy array or JSON.
"""

from nilometer.bodies import carriers
from nilometer.bodies.column_names import VALUE
from nilometer.bodies.json_text import begins_like_json
from nilometer.bodies.media import media_type
from nilometer.decode import npy
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.protocol import Body, Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def _decode(body: Body, side: Side) -> Facts:
    """Add one row with size and type.

    Raises:
        Undecodable: ``malformed`` if the bytes begin like JSON, because they are not valid JSON.
    """
    if body.content.startswith(npy.MAGIC):
        return npy.decode(body.content, side)
    media = media_type(body.content_type)
    if not media.startswith(carriers.BINARY.families) and begins_like_json(body.content):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    side.add_rows([{f"{VALUE}.bytes": len(body.content), f"{VALUE}.type": media}])
    return Facts(Protocol.BINARY)


FORMAT = Format.of(carriers.BINARY, decode=_decode)
