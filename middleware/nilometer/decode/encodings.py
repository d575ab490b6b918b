"""Content encodings undone, in counted steps: no body grows past a limit, whatever it claims.

gzip and deflate come with Python; br and zstd with the extra ``decode`` (zstd also with Python 3.14
and later). Source: RFC 9110, 8.4.1; RFC 8878 and 9659 for the window of zstd.
"""

import sys
import zlib
from collections.abc import Callable, Iterator

from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason
from nilometer.values.streams import Ends, Keeper

MAX_DECODED_BYTES = 1 << 20  # of one body, decoded
MAX_STREAM_BYTES = 16 << 20  # of a stream of which only both ends are kept, decoded
MAX_CODINGS = 3  # on top of each other; real bodies have one
MAX_MEMBERS = 64  # of gzip, frames of zstd: a body is one
STEP_BYTES = 64 << 10  # decoded at once
ZSTD_WINDOW_LOG = 23  # 8 MiB, what RFC 9659 lets a sender ask for
PLAIN = frozenset({"", "identity"})

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RAW, _ZLIB, _GZIP = -15, 15, 31  # zlib's window bits

Steps = Callable[[bytes], Iterator[bytes]]


def is_plain(content_encoding: str) -> bool:
    """Whether nothing was done to the body."""
    return not content_encoding or content_encoding.strip().lower() in PLAIN


def decoded(body: bytes, content_encoding: str, limit: int = MAX_DECODED_BYTES) -> bytes:
    """*body* as it was before *content_encoding*.

    Args:
        body: As on the wire.
        content_encoding: One coding, or several with commas in the order they were applied.
        limit: Bytes that it may grow to, after each coding.

    Raises:
        Undecodable: ``encoded`` for a coding that is unknown or not installed, ``too_large`` past
            *limit*, ``malformed`` for bytes that are not so encoded.
    """
    for coding in _codings(content_encoding):
        body = _joined(_steps_of(coding)(body), limit)
    return body


def decoded_ends(body: bytes, content_encoding: str, limit: int, *, cut_off: bool = False) -> Ends:
    """Both ends of a stream as it was before *content_encoding*.

    The end is empty where it is not known: where *body* is cut off, is damaged, or grows past
    `MAX_STREAM_BYTES`.

    Args:
        body: As on the wire.
        content_encoding: One coding; of several, nothing is decoded.
        limit: Bytes that are kept, both ends together.
        cut_off: Whether *body* is only the beginning of what was on the wire.

    Raises:
        Undecodable: ``encoded`` for a coding that is unknown or not installed, or several.
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
    except Exception:  # each coding's library has an error type of its own
        cut_off = True
    start, end = keeper.ends()
    if size <= limit:  # nothing is left out between both
        return Ends(start + end, b"")
    return Ends(start, b"" if cut_off or size > MAX_STREAM_BYTES else end)


def _codings(content_encoding: str) -> list[str]:
    """The codings that were applied, the last one first."""
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
        except Exception as error:  # each coding's library has an error type of its own
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
    """All members; a body that was decoded before us and kept its header passes as it is."""
    if not body.startswith(_GZIP_MAGIC) and _is_json(body):
        yield body
        return
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(_GZIP)
        yield from _zlib_steps(stream, body)
        body = stream.unused_data.lstrip(b"\0")
        if not body:
            return
    raise EOFError("more members than are read")


def _inflate(body: bytes) -> Iterator[bytes]:
    """With zlib's header, as the standard says, or without, as some clients do."""
    wrapped = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    yield from _zlib_steps(zlib.decompressobj(_ZLIB if wrapped else _RAW), body)


def _zlib_steps(stream: "zlib._Decompress", body: bytes) -> Iterator[bytes]:
    left = body
    while not stream.eof:
        part = stream.decompress(left, STEP_BYTES)
        if not part and not stream.eof:
            raise EOFError("cut off")
        yield part
        left = stream.unconsumed_tail


def _brotli() -> Steps:
    try:
        import brotli
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error

    def steps(body: bytes) -> Iterator[bytes]:
        stream = brotli.Decompressor()
        left = body
        while not stream.is_finished():
            part = stream.process(left, output_buffer_limit=STEP_BYTES)
            if not part and not stream.is_finished():
                raise EOFError("cut off")
            yield part
            left = b""

    return steps


def _zstd() -> Steps:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error

    def steps(body: bytes) -> Iterator[bytes]:
        if not body.startswith(_ZSTD_MAGIC) and _is_json(body):
            yield body
            return
        options = {int(zstd.DecompressionParameter.window_log_max): ZSTD_WINDOW_LOG}
        for _ in range(MAX_MEMBERS):
            stream = zstd.ZstdDecompressor(options=options)
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
        raise EOFError("more frames than are read")

    return steps


def _is_json(body: bytes) -> bool:
    """Whether a server's own layer has decoded the body already, and left the header."""
    return body[:1] in {b"{", b"["}
