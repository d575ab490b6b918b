"""The bounded queue between the path of a request and the background thread."""

from bisect import bisect_right
from itertools import accumulate

ITEM_BYTES = 64  # what packed bytes weigh besides themselves


class Sink:
    """Takes the packed observations that the path offers, never waits, and counts what it refuses.

    Bounded by bytes, because bodies vary. Any thread may offer and one takes: a list's `append`,
    slice and `del` are each one step of the interpreter, and each counter has one side that writes
    it, so neither side needs a lock.

    Args:
        max_bytes: Most bytes held at once.
    """

    __slots__ = ("_items", "_offered_bytes", "_taken_bytes", "max_bytes", "refused")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.refused = 0  # observations
        self._items: list[bytes] = []
        self._offered_bytes = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, packed: bytes) -> None:
        """Take *packed* if there is room; else count it."""
        held = len(packed) + ITEM_BYTES
        if self._offered_bytes - self._taken_bytes + held > self.max_bytes:
            self.refused += 1
            return
        self._offered_bytes += held
        self._items.append(packed)

    def take(self, most: int, most_bytes: int) -> list[bytes]:
        """Up to *most* observations of together about *most_bytes*, oldest first."""
        taken = self._items[:most]
        sizes = list(accumulate(map(len, taken)))
        if not sizes:
            return taken
        count = bisect_right(sizes, most_bytes) or 1
        del taken[count:], self._items[:count]
        self._taken_bytes += sizes[count - 1] + ITEM_BYTES * count
        return taken
