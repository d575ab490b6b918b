"""The connected workers, over frames and gRPC."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from nilometer.values.clock import Clock


class Connected(Protocol):
    """A connection of one worker."""

    worker: bytes


class Workers:
    """Keeps track of connections. Any thread may call.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connected: set[Connected] = set()
        self._lock = threading.Lock()
        self._idle_since = clock.monotonic()
        self._had_workers = False

    def __len__(self) -> int:
        return len(self._connected)

    def enter(self, worker: Connected) -> None:
        """Add *worker*."""
        with self._lock:
            self._connected.add(worker)
            self._had_workers = True

    def leave(self, worker: Connected) -> None:
        """Remove *worker*. May be called twice."""
        with self._lock:
            self._connected.discard(worker)
            self._idle_since = self._clock.monotonic()

    @contextmanager
    def connected(self, worker: Connected) -> Iterator[None]:
        """Add *worker* for the duration of the block."""
        self.enter(worker)
        try:
            yield
        finally:
            self.leave(worker)

    def names(self) -> list[str]:
        """Names of the workers, hexadecimal, sorted."""
        with self._lock:
            return sorted(one.worker.hex() for one in self._connected)

    def idle_for(self, now: float) -> float:
        """Return the seconds without a worker at *now*, monotonic."""
        with self._lock:
            if self._connected:
                return 0.0
            # Before the first worker connects, wait as long as a slow server needs to start.
            return now - self._idle_since if self._had_workers else (now - self._idle_since) / 6
