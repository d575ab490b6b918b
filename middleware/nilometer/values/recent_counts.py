"""Counts of names that clients choose, in bounded memory."""

from collections.abc import Hashable


class RecentCounts:
    """Counts by key, in which the least recently seen keys are forgotten. Not thread-safe.

    Keys that were seen once and keys that were seen again are kept in two separate parts of the
    same size. A full part forgets its least recently counted key. So a flood of keys that are seen
    once only displaces such keys. Keys are stored as hashes: each takes about 100 bytes, however
    long it is.

    Args:
        most: Number of keys that it keeps, at least 2.

    Attributes:
        forgotten: Number of keys that were forgotten because there was no room.
    """

    __slots__ = ("_again", "_most", "_once", "forgotten")

    def __init__(self, most: int) -> None:
        self.forgotten = 0
        self._most = most // 2
        self._once: dict[int, int] = {}
        self._again: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._once) + len(self._again)

    def get(self, key: Hashable) -> int:
        """Return the count of *key*; 0 if it is not counted."""
        hashed = hash(key)
        return self._once.get(hashed, 0) or self._again.get(hashed, 0)

    def add(self, key: Hashable, count: int = 1) -> int:
        """Add to the count of *key*; return its new count."""
        hashed = hash(key)
        if hashed in self._again:
            total = self._again[hashed] = self._again.pop(hashed) + count
        elif hashed in self._once:
            total = self._once.pop(hashed) + count
            self._insert(self._again, hashed, total)
        else:
            total = count
            self._insert(self._once, hashed, total)
        return total

    def forget(self, key: Hashable) -> bool:
        """Forget the count of *key*; return whether there was one."""
        hashed = hash(key)
        held = hashed in self._once or hashed in self._again
        self._once.pop(hashed, None)
        self._again.pop(hashed, None)
        return held

    def copy(self) -> "RecentCounts":
        """Return an independent copy."""
        copied = RecentCounts(2 * self._most)
        copied.forgotten = self.forgotten
        copied._once, copied._again = dict(self._once), dict(self._again)
        return copied

    def _insert(self, part: dict[int, int], hashed: int, count: int) -> None:
        if len(part) >= self._most:
            del part[next(iter(part))]
            self.forgotten += 1
        part[hashed] = count
