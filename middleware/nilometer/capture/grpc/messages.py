"""The messages of one side of a gRPC call, as bytes.

A single message is passed on as its serialized bytes. If a side has several messages, each one
follows gRPC's frame header of five bytes, and the content type is `FRAMED`.
"""

from collections import deque
from sys import getsizeof

from nilometer.capture.exchange import joined
from nilometer.handoff.pack import Body
from nilometer.values.streams import Ends

ONE = b"application/grpc"
FRAMED = b"application/grpc+frames"
FRAME_BYTES = 5


class Messages:
    """The messages of one side of a call, up to the cap.

    Args:
        cap: Largest number of bytes that are kept.
        both_ends: Whether the first and last messages of a side over the cap are kept.
    """

    __slots__ = ("_both_ends", "_framed", "_keeper", "body", "cap", "count", "size")

    def __init__(self, cap: int, *, both_ends: bool = False) -> None:
        self.cap = cap
        self.count = 0
        self.size = 0
        self.body: Body = b""
        self._framed = False
        self._both_ends = both_ends
        self._keeper: _Keeper | None = None

    def add(self, data: bytes, *, compressed: bool = False) -> None:
        """Add one message; *compressed* is the flag for its frame header."""
        before = self.size
        self.size += len(data)
        self.count += 1
        if self.size > self.cap or self.body is None:
            self._over_the_cap(before, _frame(len(data), compressed=compressed) + data)
            return
        if self.count == 1 and not compressed:
            self.body = data
            return
        if self.count == 2 and not self._framed:
            self.body = _frame(before) + bytes(self.body)
        self.body = joined(
            self.body, _frame(len(data), compressed=compressed) + data, self.count - 1
        )
        self._framed = True

    def has_room(self, size: int) -> bool:
        """Return whether any part of a next message of *size* bytes would be kept."""
        return self.size + size <= self.cap or (self._both_ends and size <= self.cap // 2)

    def skip(self, size: int) -> None:
        """Count one message of *size* bytes that is not kept."""
        before = self.size
        self.size += size
        self.count += 1
        self._over_the_cap(before, None)

    @property
    def content_type(self) -> bytes:
        """The content type, which says whether each message has a frame header."""
        return FRAMED if self._framed else ONE

    @property
    def ends(self) -> Ends | None:
        """The first and the last messages of a stream over the cap; None for other streams."""
        return None if self._keeper is None else self._keeper.ends()

    def _over_the_cap(self, before: int, message: bytes | None) -> None:
        """Add *message*, framed, at byte *before* of the side; None if it was not read."""
        held, self.body = self.body, None
        if not self._both_ends or not self.cap or self.count == 1:
            return
        keeper = self._keeper
        if keeper is None:
            if held is None:
                return  # the first message alone was over the cap
            keeper = self._keeper = _Keeper(self.cap)
            keeper.add_all(bytes(held) if self._framed else _frame(before) + bytes(held))
            self._framed = True
        keeper.add(message)


class _Keeper:
    """Keeps the first and the last messages of a stream, each of at most half of *cap* bytes."""

    def __init__(self, cap: int) -> None:
        self._half = cap // 2
        self._start = bytearray()
        self._started = False
        self._end: deque[bytes] = deque()
        self._end_bytes = 0  # memory of the objects; short messages need more than their content

    def add_all(self, framed: bytes) -> None:
        """Add several messages."""
        position = 0
        while position < len(framed):
            size = int.from_bytes(framed[position + 1 : position + FRAME_BYTES], "big")
            self.add(framed[position : position + FRAME_BYTES + size])
            position += FRAME_BYTES + size

    def add(self, framed: bytes | None) -> None:
        """Add one message; None is a message that cannot be kept."""
        if framed is None:
            self._started = True
            return
        if not self._started and len(self._start) + len(framed) <= self._half:
            self._start += framed
            return
        self._started = True
        self._end.append(framed)
        self._end_bytes += getsizeof(framed)
        while self._end_bytes > self._half:
            self._end_bytes -= getsizeof(self._end.popleft())

    def ends(self) -> Ends:
        """Return the messages that are kept."""
        return Ends(bytes(self._start), b"".join(self._end))


def _frame(size: int, *, compressed: bool = False) -> bytes:
    return bytes((compressed,)) + size.to_bytes(4, "big")
