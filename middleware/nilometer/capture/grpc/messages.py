"""The messages of one side of a gRPC call, as bytes.

A unary message is handed on as its serialized bytes. Where a side has several messages, each has
gRPC's own frame of five bytes before it, and the content type is `FRAMED`.
"""

from nilometer.capture.exchange import joined
from nilometer.handoff.pack import Body

ONE = b"application/grpc"
FRAMED = b"application/grpc+frames"


class Messages:
    """One side of a call, up to the cap."""

    __slots__ = ("_framed", "body", "cap", "count", "size")

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.count = 0
        self.size = 0
        self.body: Body = b""
        self._framed = False

    def add(self, data: bytes, *, compressed: bool = False) -> None:
        """One message more; its frame says whether it is *compressed*."""
        before = self.size
        self.size += len(data)
        self.count += 1
        if self.size > self.cap or self.body is None:
            self.body = None
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

    def skip(self, size: int) -> None:
        """One message more, of *size* bytes, that was not kept."""
        self.size += size
        self.count += 1
        self.body = None

    @property
    def content_type(self) -> bytes:
        """Whether frames stand before the messages."""
        return FRAMED if self._framed else ONE


def _frame(size: int, *, compressed: bool = False) -> bytes:
    return bytes((compressed,)) + size.to_bytes(4, "big")
