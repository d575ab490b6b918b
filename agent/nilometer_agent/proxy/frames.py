"""Reads the frames of one direction of an HTTP/2 connection, and the header fields in them.

Only the parts that describe a call are read. Source: RFC 9113; header compression: RFC 7541.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hpack import Decoder, HPACKError

from nilometer_agent.proxy.heads import Unreadable

FRAME_HEAD: Final = 9
MAX_TABLE_BYTES = 1 << 20  # largest table of header compression that a side may request

_PADDED, _PRIORITY, _END_HEADERS, _END_STREAM, _ACK = 0x8, 0x20, 0x4, 0x1, 0x1
_HEADER_TABLE_SIZE = 0x1


class Kind(IntEnum):
    """Types of frames that describe a call."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    CONTINUATION = 9


_READ = frozenset(Kind)


@dataclass(slots=True)
class Events:
    """Functions that get the events of one direction."""

    headers: Callable[[int, list[tuple[str, bytes]], bool], None]
    data: Callable[[int, bytes], None]
    ended: Callable[[int], None]
    reset: Callable[[int, int], None]
    settings: Callable[[bytes], None]


class Frames:
    """Parses the frames of one direction, however their bytes are split.

    Args:
        events: Functions that get the events.
        max_block_bytes: Largest header block, before and after compression.
    """

    def __init__(self, events: Events, max_block_bytes: int) -> None:
        self.decoder = Decoder(max_header_list_size=max_block_bytes)
        self._events = events
        self._max_block_bytes = max_block_bytes
        self._head = b""
        self._left = 0  # remaining bytes of the payload
        self._kind = self._flags = self._stream = 0
        self._payload = b""  # collected bytes of a frame that is read as a whole
        self._padding = 0  # bytes of padding at the end of DATA
        self._block = b""
        self._block_ends_stream = False

    def read(self, data: bytes, position: int = 0) -> None:
        """Parse *data* from *position*.

        Raises:
            Unreadable: If the data is not HTTP/2, or a frame is too large to be parsed.
        """
        while position < len(data):
            if len(self._head) < FRAME_HEAD:
                taken = data[position : position + FRAME_HEAD - len(self._head)]
                self._head += taken
                position += len(taken)
                if len(self._head) < FRAME_HEAD:
                    return
                self._begin()
            taken = data[position : position + self._left]
            position += len(taken)
            self._left -= len(taken)
            if taken and self._kind == Kind.DATA:
                self._content(taken)
            elif taken and self._kind in _READ:
                self._payload += taken
            if not self._left:
                self._head = (
                    b""  # set here, so that the next bytes start a new frame even if `_over` raises
                )
                self._over()

    def _begin(self) -> None:
        head = self._head
        self._left = int.from_bytes(head[:3], "big")
        self._kind, self._flags = head[3], head[4]
        self._stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        self._payload = b""
        self._padding = -1 if self._flags & _PADDED else 0
        if self._kind in _READ and self._kind != Kind.DATA and self._left > self._max_block_bytes:
            raise Unreadable("a frame is too large")
        if self._block and (self._kind != Kind.CONTINUATION):
            raise Unreadable("another frame interrupts a header block")

    def _content(self, taken: bytes) -> None:
        if self._padding < 0:  # the first byte is the length of the padding
            self._padding, taken = taken[0], taken[1:]
        over = len(taken) + self._left - self._padding  # bytes of content from here
        content = taken[: max(over, 0)]
        if content:
            self._events.data(self._stream, content)

    def _over(self) -> None:
        """Handle a complete frame."""
        payload, flags, stream = self._payload, self._flags, self._stream
        match self._kind:
            case Kind.DATA:
                if flags & _END_STREAM:
                    self._events.ended(stream)
            case Kind.HEADERS:
                if flags & _PADDED:
                    payload = payload[1 : len(payload) - payload[0]] if payload else b""
                if flags & _PRIORITY:
                    payload = payload[5:]
                self._block_ends_stream = bool(flags & _END_STREAM)
                self._add_block(payload)
            case Kind.CONTINUATION:
                self._add_block(payload)
            case Kind.RST_STREAM:
                self._events.reset(stream, int.from_bytes(payload, "big"))
            case Kind.SETTINGS:
                if not flags & _ACK:
                    self._events.settings(payload)
            case _:  # pings, windows, priorities, and future frame types
                pass

    def _add_block(self, part: bytes) -> None:
        self._block += part
        if len(self._block) > self._max_block_bytes:
            raise Unreadable("a header block is too large")
        if not self._flags & _END_HEADERS:
            return
        block, self._block = self._block, b""
        try:
            # Every block is decoded, because all streams share the compression table.
            headers = [
                (bytes(name).decode("latin-1"), bytes(value))
                for name, value in self.decoder.decode(block, raw=True)
            ]
        except HPACKError as error:
            raise Unreadable(f"header compression: {error}") from error
        self._events.headers(self._stream, headers, self._block_ends_stream)
        if self._block_ends_stream:
            self._events.ended(self._stream)


def allow_table(decoder: Decoder, settings: bytes) -> None:
    """Apply this side's *settings* for the size of the other side's compression table."""
    for at in range(0, len(settings) - 5, 6):
        if int.from_bytes(settings[at : at + 2], "big") == _HEADER_TABLE_SIZE:
            size = int.from_bytes(settings[at + 2 : at + 6], "big")
            if size > MAX_TABLE_BYTES:
                raise Unreadable("the requested table for header compression is too large")
            decoder.max_allowed_table_size = max(decoder.max_allowed_table_size, size)
