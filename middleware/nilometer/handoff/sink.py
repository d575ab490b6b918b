"""The bounded queue between the request path and the background thread."""

from bisect import bisect_right
from itertools import accumulate

from nilometer.handoff.plain import ITEM_BYTES, Queue


class Sink(Queue):
    """A queue of packed observations that never waits, and counts observations that do not fit.

    The limit is in bytes, because bodies vary in size. Any thread may call `offer`, and one thread
    calls `take`. No lock is needed: a list's `append`, slice and `del` are atomic in the
    interpreter, and each counter is written by one side only.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._items)

    def take(self, most: int, most_bytes: int) -> list[bytes]:
        """Remove and return up to *most* observations, of about *most_bytes*, oldest first."""
        taken = self._items[:most]
        sizes = list(accumulate(map(len, taken)))
        if not sizes:
            return taken
        count = bisect_right(sizes, most_bytes) or 1
        del taken[count:], self._items[:count]
        self._taken_bytes += sizes[count - 1] + ITEM_BYTES * count
        return taken
