"""Undoes content encodings in steps of bounded size, so that no body exceeds a limit.

Python itself decodes gzip and deflate. The extra ``decode`` adds br and zstd; Python 3.14 and later
include zstd. Source: RFC 9110, 8.4.1; RFC 8878 and 9659 for the window of zstd.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nilometer.bodies.media import PLAIN
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason
from nilometer.values.streams import Ends, Keeper

if TYPE_CHECKING:
    import brotli

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

MAX_DECODED_BYTES = 1 << 20  # decoded size of one body
MAX_STREAM_BYTES = 16 << 20  # decoded size of a stream of which only the ends are kept
MAX_CODINGS = 3  # most codings of one body; real bodies have one
MAX_MEMBERS = 64  # most gzip members or zstd frames of one body; real bodies have one
STEP_BYTES = 64 << 10  # most bytes that one step decodes
ZSTD_WINDOW_LOG = 23  # 8 MiB, the largest window that RFC 9659 allows

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RAW, _ZLIB, _GZIP = -15, 15, 31  # zlib's window bits

Steps = Callable[[bytes], Iterator[bytes]]


def decoded(body: bytes, content_encoding: str, limit: int = MAX_DECODED_BYTES) -> bytes:
    """Return *body* with its *content_encoding* undone.

    Args:
        body: Bytes as received.
        content_encoding: One coding, or several separated by commas in the order of application.
        limit: Largest size after each decoding step, in bytes.

    Raises:
        Undecodable: ``encoded`` for a coding that is unknown or not installed, ``too_large`` past
            *limit*, ``malformed`` if the bytes do not have this encoding.
    """
    for coding in _codings(content_encoding):
        body = _joined(_steps_of(coding)(body), limit)
    return body


def decoded_ends(body: bytes, content_encoding: str, limit: int, *, cut_off: bool = False) -> Ends:
    """Return both ends of a stream with its *content_encoding* undone.

    The end is empty if it is unknown, because *body* is cut off, damaged, or larger than
    `MAX_STREAM_BYTES` once decoded.

    Args:
        body: Bytes as received.
        content_encoding: Single coding; several codings are not supported.
        limit: Largest size of both ends together, in bytes.
        cut_off: Whether *body* is only the beginning of the stream.

    Raises:
        Undecodable: ``encoded`` for several codings, or one that is unknown or not installed.
    """
    codings = _codings(content_encoding)
    if len(codings) != 1:
        raise Undecodable(UndecodableReason.ENCODED.value)
    keeper = Keeper(limit)
    size = 0
    try:
        for part in _steps_of(codings[0])(body):
            keeper.add(part)
            size += len(part)
            if size > MAX_STREAM_BYTES:
                break
    except Undecodable:
        raise
    except Exception:  # each library has its own error type
        cut_off = True
    start, end = keeper.ends()
    if size <= limit:  # the whole stream fits, so nothing is missing between the ends
        return Ends(start + end, b"")
    return Ends(start, b"" if cut_off or size > MAX_STREAM_BYTES else end)


def _codings(content_encoding: str) -> list[str]:
    """Return the applied codings, last one first."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    codings = [name for name in reversed(names) if name not in PLAIN]
    if len(codings) > MAX_CODINGS:
        raise Undecodable(UndecodableReason.ENCODED.value)
    return codings


def _joined(steps: Iterator[bytes], limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            part = next(steps, None)
        except Exception as error:  # each library has its own error type
            raise Undecodable(UndecodableReason.MALFORMED.value) from error
        if part is None:
            return b"".join(parts)
        size += len(part)
        if size > limit:
            raise Undecodable(UndecodableReason.TOO_LARGE.value)
        parts.append(part)


def _steps_of(coding: str) -> Steps:
    match coding:
        case "gzip" | "x-gzip":
            return _gunzip
        case "deflate":
            return _inflate
        case "br":
            return _brotli()
        case "zstd":
            return _zstd()
        case _:
            raise Undecodable(UndecodableReason.ENCODED.value)


def _gunzip(body: bytes) -> Iterator[bytes]:
    """Decode all gzip members; leave a body unchanged that a server layer already decoded."""
    if not body.startswith(_GZIP_MAGIC) and _is_json(body):
        yield body
        return
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(_GZIP)
        yield from _zlib_steps(stream, body)
        body = stream.unused_data.lstrip(b"\0")
        if not body:
            return
    raise EOFError(f"more than {MAX_MEMBERS} gzip members")


def _inflate(body: bytes) -> Iterator[bytes]:
    """Decode deflate with a zlib header, as the standard requires, or without one."""
    yield from _zlib_steps(zlib.decompressobj(_ZLIB if has_zlib_header(body) else _RAW), body)


def has_zlib_header(body: bytes) -> bool:
    """Return whether deflated bytes begin with a zlib header."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _zlib_steps(stream: "zlib._Decompress", body: bytes) -> Iterator[bytes]:
    left = body
    while not stream.eof:
        part = stream.decompress(left, STEP_BYTES)
        if not part and not stream.eof:
            raise EOFError("cut off")
        yield part
        left = stream.unconsumed_tail


def _brotli() -> Steps:
    new_stream = brotli_streams()

    def steps(body: bytes) -> Iterator[bytes]:
        stream = new_stream()
        left = body
        while not stream.is_finished():
            part = stream.process(left, output_buffer_limit=STEP_BYTES)
            if not part and not stream.is_finished():
                raise EOFError("cut off")
            yield part
            left = b""

    return steps


def brotli_streams() -> Callable[[], "brotli.Decompressor"]:
    """Return the function that makes a decompressor of brotli.

    Raises:
        Undecodable: ``encoded`` if brotli is not installed.
    """
    try:
        import brotli
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error
    new_stream: Callable[[], brotli.Decompressor] = brotli.Decompressor
    return new_stream


def _zstd() -> Steps:
    new_stream = zstd_streams()

    def steps(body: bytes) -> Iterator[bytes]:
        if not body.startswith(_ZSTD_MAGIC) and _is_json(body):
            yield body
            return
        for _ in range(MAX_MEMBERS):
            stream = new_stream()
            left = body
            while not stream.eof:
                part = stream.decompress(left, STEP_BYTES)
                if not part and not stream.eof:
                    raise EOFError("cut off")
                yield part
                left = b""
            body = stream.unused_data
            if not body:
                return
        raise EOFError(f"more than {MAX_MEMBERS} zstd frames")

    return steps


def zstd_streams() -> Callable[[], "zstd.ZstdDecompressor"]:
    """Return the function that makes a decompressor of one zstd frame.

    Raises:
        Undecodable: ``encoded`` if zstd is not installed.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error
    options = {int(zstd.DecompressionParameter.window_log_max): ZSTD_WINDOW_LOG}
    return lambda: zstd.ZstdDecompressor(options=options)


def _is_json(body: bytes) -> bool:
    """Return whether a layer of the server decoded the body, but kept its header."""
    return body[:1] in {b"{", b"["}
