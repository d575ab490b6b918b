"""The bounded queue between the request path and the background thread."""

from bisect import bisect_right
from itertools import accumulate

ITEM_BYTES = 64  # memory of an item in addition to its bytes


class Sink:
    """A queue of packed observations that never waits, and counts observations that do not fit.

    The limit is in bytes, because bodies vary in size. Any thread may call `offer`, and one thread
    calls `take`. No lock is needed: a list's `append`, slice and `del` are atomic in the
    interpreter, and each counter is written by one side only.

    Args:
        max_bytes: Largest number of bytes held at once.
    """

    __slots__ = ("_items", "_offered_bytes", "_taken_bytes", "max_bytes", "refused")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.refused = 0  # observations that did not fit
        self._items: list[bytes] = []
        self._offered_bytes = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, packed: bytes) -> None:
        """Store *packed* if there is room; otherwise count it as refused."""
        held = len(packed) + ITEM_BYTES
        if self._offered_bytes - self._taken_bytes + held > self.max_bytes:
            self.refused += 1
            return
        self._offered_bytes += held
        self._items.append(packed)

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
