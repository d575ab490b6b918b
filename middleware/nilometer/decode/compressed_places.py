"""Finds how much of a compressed stream could be read after each of its messages."""

import zlib
from collections.abc import Iterable

from nilometer.decode.encodings import MAX_DECODED_BYTES, MAX_STREAM_BYTES

_GZIP_OR_ZLIB = 47  # zlib's window bits
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


def decoded_places(body: bytes, content_encoding: str, ends: Iterable[int]) -> list[int] | None:
    """Return the size of the decoded body after each message.

    Args:
        body: Compressed body.
        content_encoding: Content encoding of the body.
        ends: Bytes of *body* up to the end of each message, ascending.

    Returns:
        Bytes of the decoded body that a reader has at each end. None for encodings other than gzip
        and deflate, and for a body that is damaged or exceeds a limit.
    """
    if content_encoding.strip().lower() not in _CODINGS:
        return None
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    begins = size = 0
    places: list[int] = []
    try:
        for end in ends:
            size += len(stream.decompress(body[begins:end], MAX_DECODED_BYTES))
            if stream.unconsumed_tail or size > MAX_STREAM_BYTES:
                return None
            places.append(size)
            begins = end
    except zlib.error:
        return None
    return places
