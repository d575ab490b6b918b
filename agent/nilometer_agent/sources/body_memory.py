"""Memory for the bodies of HTTP requests, which no sender that stops in the middle of one can hold."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from nilometer.values.clock import Clock
from nilometer_agent.sources.workers.memory import FrameMemory

PATIENCE_SECONDS = 0.1  # with a sender that sends nothing, while others wait for memory

K = TypeVar("K", bound=Hashable)


class BodyMemory(Generic[K]):
    """Grants each request the bytes of its body. Any thread may use it.

    Large bodies are granted in the order in which they came, and small ones never wait for them. While
    one waits, every sender is ended that has sent nothing for `PATIENCE_SECONDS`.

    Args:
        most: Bytes at once, of which large bodies have three quarters, and at least one body.
        largest: Bytes of the largest body.
        end: Ends a sender, which gives its memory back then; must not block.
        clock: Monotonic time.
    """

    def __init__(self, most: int, largest: int, end: Callable[[K], None], clock: Clock) -> None:
        large = max(most * 3 // 4, largest)
        self._memory = FrameMemory(max(most, large + most // 4), large)
        self._end = end
        self._clock = clock
        self._changed = threading.Condition()
        self._silent_since: dict[K, float] = {}  # of senders whose body is coming

    @property
    def held(self) -> int:
        """Bytes that are granted now."""
        return self._memory.held

    def take(self, sender: K, size: int) -> None:
        """Wait until *sender* may hold a body of *size* bytes."""
        with self._changed:
            while not self._memory.take(sender, size):
                self._changed.wait(PATIENCE_SECONDS)
                self._end_silent()
            self._silent_since[sender] = self._clock.monotonic()

    def came(self, sender: K) -> None:
        """Some of the body has come."""
        with self._changed:
            self._silent_since[sender] = self._clock.monotonic()

    def is_whole(self, sender: K) -> None:
        """The body has come: its sender is not ended any more."""
        with self._changed:
            self._silent_since.pop(sender, None)

    def release(self, sender: K) -> None:
        """Give back what *sender* holds. Safe twice, and where it holds nothing."""
        with self._changed:
            self._silent_since.pop(sender, None)
            self._memory.give_back(sender)
            self._changed.notify_all()

    def _end_silent(self) -> None:
        before = self._clock.monotonic() - PATIENCE_SECONDS
        for sender in [one for one, since in self._silent_since.items() if since <= before]:
            del self._silent_since[sender]
            self._end(sender)
