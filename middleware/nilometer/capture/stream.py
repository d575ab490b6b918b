"""The chunks of a response in progress: when each was sent, and how many bytes it has.

Nothing is parsed here. The decoder finds the position of a frame in the body, and the marks give
the time of that position.
"""

import sys
from array import array

from nilometer.handoff.pack import Streamed
from nilometer.values.reasons import StreamEnd

EXACT = 512  # chunks after the first one that each have a mark
MOST_BYTES = 0xFFFFFFFF  # largest byte count that a mark can hold


class Stream:
    """The chunks of a response after its first one.

    A mark holds the seconds and the bytes since the previous mark. Each of the first `EXACT` chunks
    has a mark. After 512 chunks every second chunk has one, after 1,024 every fourth, and so on. So
    the position of a mark is exact within 1/256, and a million chunks have 3,000 marks.

    Args:
        first: Size of the first chunk, in bytes.
    """

    __slots__ = ("_every", "_gap", "_limit", "_size", "chunks", "gaps", "later", "sizes")

    def __init__(self, first: int) -> None:
        self.chunks = 1
        self.gaps = array("f")  # gaps of the first `EXACT` chunks after the first one
        self.later = array("f")  # gaps of later marks
        self.sizes = array("I", (min(first, MOST_BYTES),))
        self._gap = 0.0
        self._size = 0
        self._every = 2
        self._limit = 2 * EXACT

    def note(self, gap: float, size: int) -> None:
        """Record one more chunk of *size* bytes, *gap* seconds after the previous one."""
        self.chunks = chunks = self.chunks + 1
        if chunks <= EXACT + 1:
            self.gaps.append(gap)
            self.sizes.append(min(size, MOST_BYTES))
            return
        self._gap += gap
        self._size += size
        if chunks % self._every == 0:
            self._mark()
            if chunks >= self._limit:
                self._every *= 2
                self._limit *= 2

    def extend(self, size: int) -> None:
        """Record *size* more bytes of the latest chunk."""
        if self._size:
            self._size += size
        else:
            self.sizes[-1] = min(self.sizes[-1] + size, MOST_BYTES)

    def ended(self, end: StreamEnd) -> Streamed:
        """Return the summary of the finished stream."""
        if self._size:
            self._mark()
        if sys.byteorder == "big":
            for marks in (self.gaps, self.later, self.sizes):
                marks.byteswap()
        return Streamed(
            self.chunks,
            self.gaps.tobytes(),
            end.value,
            self.sizes.tobytes(),
            self.later.tobytes(),
        )

    def _mark(self) -> None:
        self.later.append(self._gap)
        self.sizes.append(min(self._size, MOST_BYTES))
        self._gap, self._size = 0.0, 0
