"""Where bodies of HTTP/1 messages end, followed over any cut of their bytes.

Nothing is taken out and nothing is held back: a follower is shown bytes that pass, and tells which of
them are content.
"""

import re
from enum import Enum, auto
from typing import NamedTuple, Protocol

MAX_LINE_BYTES = 4096  # of a chunk's size and its extensions

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")


class _Line(Enum):
    """What the next line of a chunked body has to be."""

    SIZE = auto()
    BREAK = auto()  # after a chunk's content
    TRAILER = auto()


class Malformed(Exception):
    """The framing is broken at this point."""


class Piece(NamedTuple):
    """Content among the bytes that passed.

    Attributes:
        start: Of the content.
        end: Of the content.
        begins: Whether the sender began a chunk here.
    """

    start: int
    end: int
    begins: bool


class Body(Protocol):
    """Follows one body."""

    def follow(self, data: bytes, position: int, pieces: list[Piece]) -> tuple[int, bool]:
        """Read *data* from *position*; returns where it stopped, and whether the body is over.

        Raises:
            Malformed: If the framing is broken.
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
        max_trailer_bytes: Cap for all trailers.
    """

    def __init__(self, max_trailer_bytes: int) -> None:
        self._expects = _Line.SIZE
        self._line = b""  # the beginning of a line of which the end has not come
        self._left = 0  # of the chunk's content
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
                raise Malformed("a line is too long")
            if not end:
                self._line = line
                return len(data), False
            self._line, position = b"", end
            if self._is_last(line):
                return position, True
        return position, False

    def _is_last(self, line: bytes) -> bool:
        """Take a whole line; whether it ends the body."""
        match self._expects:
            case _Line.SIZE:
                found = _SIZE.fullmatch(line)
                if found is None:
                    raise Malformed("a chunk's size")
                self._left = int(found[1], 16)
                self._begins = True
                self._expects = _Line.BREAK if self._left else _Line.TRAILER
            case _Line.BREAK:
                if line != b"\r\n":
                    raise Malformed("a chunk's end")
                self._expects = _Line.SIZE
            case _Line.TRAILER:
                if line == b"\r\n":
                    return True
                self._trailer_left -= len(line)
                if self._trailer_left < 0 or not _TRAILER.fullmatch(line):
                    raise Malformed("trailers")
        return False
