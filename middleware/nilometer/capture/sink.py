"""The bounded queue between the event loop and the background thread."""

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Body: TypeAlias = bytes | list[bytes] | None  # one chunk, several, or over the cap

# arrival_ns, latency, status, outcome, method, path, request size, response size,
# request headers, response headers, request body, response body
Captured: TypeAlias = tuple[int, float, int, str, str, str, int, int, Headers, Headers, Body, Body]

ITEM_BYTES = 512  # what a captured request weighs besides its bodies, measured generously


class Sink:
    """Takes what the event loop offers, never waits, and counts what it refuses.

    Bounded by bytes, because bodies vary. One event loop offers and one thread takes: each side
    owns its own counters, so neither needs a lock.

    Args:
        max_bytes: Most bytes of bodies and bookkeeping held at once.
    """

    __slots__ = ("_items", "_offered_bytes", "_taken_bytes", "accepted", "max_bytes", "refused")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.accepted = 0  # observations, written by the event loop only
        self.refused = 0  # observations, written by the event loop only
        self._items: deque[tuple[Captured, int]] = deque()
        self._offered_bytes = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, captured: Captured, body_bytes: int) -> bool:
        """Take *captured* if there is room; count it either way."""
        size = body_bytes + ITEM_BYTES
        if self._offered_bytes - self._taken_bytes + size > self.max_bytes:
            self.refused += 1
            return False
        self._offered_bytes += size
        self.accepted += 1
        self._items.append((captured, size))
        return True

    def take(self, most: int, most_bytes: int) -> list[Captured]:
        """Up to *most* observations of together about *most_bytes*, oldest first."""
        taken: list[Captured] = []
        room = most_bytes
        items = self._items
        while items and len(taken) < most and room > 0:
            captured, size = items.popleft()
            taken.append(captured)
            room -= size
            self._taken_bytes += size
        return taken
