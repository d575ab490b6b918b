"""Finds how much of a compressed stream could be read after each of its messages."""

import zlib
from collections.abc import Callable, Iterable

from nilometer.decode.encodings import (
    MAX_DECODED_BYTES,
    MAX_MEMBERS,
    MAX_STREAM_BYTES,
    STEP_BYTES,
    brotli_streams,
    has_zlib_header,
    zstd_streams,
)

_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits

# Takes the next part of a compressed body; returns the number of bytes that it makes readable.
Reader = Callable[[bytes], int]


def decoded_places(body: bytes, content_encoding: str, ends: Iterable[int]) -> list[int] | None:
    """Return the size of the decoded body after each message.

    Args:
        body: Compressed body.
        content_encoding: Content encoding of the body.
        ends: Bytes of *body* up to the end of each message, ascending.

    Returns:
        Bytes of the decoded body that a reader has at each end; None for several encodings, for
        one that is unknown or not installed, and for a body that is damaged, grows past a limit or
        has over `MAX_MEMBERS` gzip members or zstd frames.
    """
    begins = size = 0
    places: list[int] = []
    try:
        read = _reader(content_encoding.strip().lower(), body)
        for end in ends:
            size += read(body[begins:end])
            if size > MAX_STREAM_BYTES:
                return None
            places.append(size)
            begins = end
    except Exception:  # each library has its own error type
        return None
    return places


def _reader(coding: str, body: bytes) -> Reader:
    """Return the function that reads the parts of *body*.

    Raises:
        ValueError: If the coding is unknown.
        Undecodable: If its library is not installed.
    """
    match coding:
        case "gzip" | "x-gzip":
            return _zlib(_GZIP)
        case "deflate":
            return _zlib(_ZLIB if has_zlib_header(body) else _RAW)
        case "br":
            return _brotli()
        case "zstd":
            return _zstd()
        case _:
            raise ValueError(f"unknown coding {coding}")


def _zlib(bits: int) -> Reader:
    stream = zlib.decompressobj(bits)
    members = 1

    def read(part: bytes) -> int:
        nonlocal stream, members
        size = 0
        while part:
            if stream.eof:
                members = _one_more(members)
                stream = zlib.decompressobj(bits)
            size += len(stream.decompress(part, MAX_DECODED_BYTES))
            if stream.unconsumed_tail:
                raise ValueError(_GROWS)
            part = stream.unused_data.lstrip(b"\0")  # of the next gzip member
        return size

    return read


def _brotli() -> Reader:
    stream = brotli_streams()()

    def read(part: bytes) -> int:
        found = stream.process(part, output_buffer_limit=STEP_BYTES)
        size = len(found)
        while found and not stream.is_finished():
            if size > MAX_DECODED_BYTES:
                raise ValueError(_GROWS)
            found = stream.process(b"", output_buffer_limit=STEP_BYTES)
            size += len(found)
        return size

    return read


def _zstd() -> Reader:
    new_stream = zstd_streams()
    stream = new_stream()
    frames = 1

    def read(part: bytes) -> int:
        nonlocal stream, frames
        size = 0
        while part:
            if stream.eof:
                frames = _one_more(frames)
                stream = new_stream()
            size += len(stream.decompress(part, MAX_DECODED_BYTES))
            if not stream.eof and not stream.needs_input:
                raise ValueError(_GROWS)
            part = stream.unused_data  # of the next frame
        return size

    return read


def _one_more(members: int) -> int:
    """Return the number of members including the next one.

    Raises:
        ValueError: If it is over `MAX_MEMBERS`; each one copies what is left of the part.
    """
    if members >= MAX_MEMBERS:
        raise ValueError(f"more than {MAX_MEMBERS} members or frames")
    return members + 1


_GROWS = f"one part of a body has more than {MAX_DECODED_BYTES} bytes of content"
