"""Memory for the bodies of HTTP requests. A sender that stalls cannot hold it for long."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from nilometer.values.clock import Clock
from nilometer_agent.sources.workers.memory import FrameMemory

PATIENCE_SECONDS = 0.1  # time that a sender may be silent while others wait for memory

K = TypeVar("K", bound=Hashable)


class BodyMemory(Generic[K]):
    """Grants each request the bytes of its body. Any thread may use it.

    Large bodies get memory in the order in which they arrived, and small ones never wait for them.
    While a body waits, senders that have sent nothing for `PATIENCE_SECONDS` are disconnected.

    Args:
        most: Total bytes for all bodies. Large bodies may use three quarters of it; one body always fits.
        largest: Size of the largest body in bytes.
        end: Function that disconnects a sender, which then releases its memory; must not block.
        clock: Monotonic time.
    """

    def __init__(self, most: int, largest: int, end: Callable[[K], None], clock: Clock) -> None:
        large = max(most * 3 // 4, largest)
        self._memory = FrameMemory(max(most, large + most // 4), large)
        self._end = end
        self._clock = clock
        self._changed = threading.Condition()
        self._silent_since: dict[
            K, float
        ] = {}  # time of the last bytes of each sender whose body is arriving

    @property
    def held(self) -> int:
        """Number of bytes that are granted now."""
        return self._memory.held

    def take(self, sender: K, size: int) -> None:
        """Wait until *sender* may hold a body of *size* bytes."""
        with self._changed:
            while not self._memory.take(sender, size):
                self._changed.wait(PATIENCE_SECONDS)
                self._end_silent()
            self._silent_since[sender] = self._clock.monotonic()

    def came(self, sender: K) -> None:
        """Note that a part of the body has arrived."""
        with self._changed:
            self._silent_since[sender] = self._clock.monotonic()

    def is_whole(self, sender: K) -> None:
        """Note that the whole body has arrived, so that a silent sender is not disconnected."""
        with self._changed:
            self._silent_since.pop(sender, None)

    def release(self, sender: K) -> None:
        """Release the memory of *sender*. May be called twice, or for a sender without memory."""
        with self._changed:
            self._silent_since.pop(sender, None)
            self._memory.give_back(sender)
            self._changed.notify_all()

    def _end_silent(self) -> None:
        before = self._clock.monotonic() - PATIENCE_SECONDS
        for sender in [one for one, since in self._silent_since.items() if since <= before]:
            del self._silent_since[sender]
            self._end(sender)
