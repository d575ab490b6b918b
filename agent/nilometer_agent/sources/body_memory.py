"""Memory for the bodies of requests: bounded by what has come, not by what a sender announces."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PATIENCE_SECONDS = 0.1  # without room, after which a sender is ended

K = TypeVar("K", bound=Hashable)


class BodyMemory(Generic[K]):
    """Counts the bytes that requests hold. Any thread may use it.

    Where no room is left, whoever needs some waits for requests to be answered. When none is, one sender
    is ended: the one that has sent nothing for longest, or, where all of them wait for room, the first.

    Args:
        most: Bytes at once.
        end: Ends a sender, which gives its memory back then; must not block.
    """

    def __init__(self, most: int, end: Callable[[K], None]) -> None:
        self._most = most
        self._end = end
        self._changed = threading.Condition()
        self._held: dict[K, int] = {}
        self._read: dict[K, None] = {}  # who is read from, the longest silent one first
        self._want: dict[K, None] = {}  # who waits for room, first come first
        self._ended: set[K] = set()  # whose memory comes back soon
        self._granted = 0  # pieces, so that a wait tells whether any was
        self.bytes = 0  # that all requests hold

    def take(self, sender: K, size: int) -> None:
        """Take *size* bytes for the next piece of a body; wait until there is room.

        Raises:
            ConnectionAbortedError: If *sender* was ended meanwhile.
        """
        with self._changed:
            self._read.pop(sender, None)
            self._want[sender] = None
            while self.bytes + size > self._most and sender not in self._ended:
                granted = self._granted
                if not self._changed.wait(PATIENCE_SECONDS) and granted == self._granted:
                    self._make_room(sender)
            del self._want[sender]
            if sender in self._ended:
                raise ConnectionAbortedError("others needed the memory of this body")
            self._granted += 1
            self._held[sender] = self._held.get(sender, 0) + size
            self.bytes += size
            self._read[sender] = None

    def is_whole(self, sender: K) -> None:
        """The body has come: its sender is not ended any more."""
        with self._changed:
            self._read.pop(sender, None)

    def release(self, sender: K) -> None:
        """Give back what *sender* holds. Safe twice, and where it holds nothing."""
        with self._changed:
            self._read.pop(sender, None)
            self._ended.discard(sender)
            self.bytes -= self._held.pop(sender, 0)
            self._changed.notify_all()

    def _make_room(self, sender: K) -> None:
        """End one sender whose body is not whole, where that helps."""
        if self._ended:
            return
        silent = next(iter(self._read), None)
        if silent is None and self._held.keys() <= self._want.keys():
            silent = next((one for one in self._want if one != sender and one in self._held), None)
        if silent is not None:
            self._ended.add(silent)
            self._end(silent)
            self._changed.notify_all()
