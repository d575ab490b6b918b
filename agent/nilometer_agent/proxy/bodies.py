"""Follows the bodies of HTTP/1 messages to find their ends, however their bytes are split.

The bytes themselves are not changed and not held back. `follow` reports which of them are content.
"""

import re
from enum import Enum, auto
from typing import NamedTuple, Protocol

MAX_LINE_BYTES = 4096  # length of a line with a chunk's size and extensions

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")


class _Line(Enum):
    """Kind of the next line of a chunked body."""

    SIZE = auto()
    BREAK = auto()  # the empty line after a chunk's content
    TRAILER = auto()


class Malformed(Exception):
    """The framing of a body is invalid."""


class Piece(NamedTuple):
    """A piece of content among the forwarded bytes.

    Attributes:
        start: Index of its first byte.
        end: Index after its last byte.
        begins: Whether a chunk of the sender begins here.
    """

    start: int
    end: int
    begins: bool


class Body(Protocol):
    """Follows one body."""

    def follow(self, data: bytes, position: int, pieces: list[Piece]) -> tuple[int, bool]:
        """Read *data* from *position*; return the end position, and whether the body is complete.

        Raises:
            Malformed: If the framing is invalid.
        """
        ...


class Sized:
    """A body of *length* bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._begins = True

    def follow(self, data: bytes, position: int, pieces: list[Piece]) -> tuple[int, bool]:
        """See `Body`."""
        end = min(len(data), position + self._left)
        pieces.append(Piece(position, end, self._begins))
        self._begins = False
        self._left -= end - position
        return end, not self._left


class UntilClose:
    """A body that ends with the connection."""

    def follow(self, data: bytes, position: int, pieces: list[Piece]) -> tuple[int, bool]:
        """See `Body`."""
        pieces.append(Piece(position, len(data), begins=True))
        return len(data), False


class Chunked:
    """A chunked body, its extensions and its trailers. Source: RFC 9112, 7.1.

    Args:
        max_trailer_bytes: Largest size of all trailers.
    """

    def __init__(self, max_trailer_bytes: int) -> None:
        self._expects = _Line.SIZE
        self._line = b""  # the beginning of an incomplete line
        self._left = 0  # remaining bytes of the chunk's content
        self._begins = False
        self._trailer_left = max_trailer_bytes

    def follow(self, data: bytes, position: int, pieces: list[Piece]) -> tuple[int, bool]:
        """See `Body`."""
        while position < len(data):
            if self._left:
                end = min(len(data), position + self._left)
                pieces.append(Piece(position, end, self._begins))
                self._begins = False
                self._left -= end - position
                position = end
                continue
            end = data.find(b"\n", position) + 1
            line = self._line + data[position : end or len(data)]
            if len(line) > MAX_LINE_BYTES:
                raise Malformed("a line of a chunked body is too long")
            if not end:
                self._line = line
                return len(data), False
            self._line, position = b"", end
            if self._is_last(line):
                return position, True
        return position, False

    def _is_last(self, line: bytes) -> bool:
        """Handle a complete line; return whether it ends the body."""
        match self._expects:
            case _Line.SIZE:
                found = _SIZE.fullmatch(line)
                if found is None:
                    raise Malformed("a chunk's size is invalid")
                self._left = int(found[1], 16)
                self._begins = True
                self._expects = _Line.BREAK if self._left else _Line.TRAILER
            case _Line.BREAK:
                if line != b"\r\n":
                    raise Malformed("a chunk does not end with an empty line")
                self._expects = _Line.SIZE
            case _Line.TRAILER:
                if line == b"\r\n":
                    return True
                self._trailer_left -= len(line)
                if self._trailer_left < 0 or not _TRAILER.fullmatch(line):
                    raise Malformed("trailers")
        return False
