"""The workers that are connected, whichever way they came."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from nilometer.values.clock import Clock


class Connected(Protocol):
    """One worker's connection."""

    worker: bytes


class Workers:
    """Counts connections. Any thread may call.

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
        """Count *worker* from now on."""
        with self._lock:
            self._connected.add(worker)
            self._had_workers = True

    def leave(self, worker: Connected) -> None:
        """Count *worker* no more. Safe twice."""
        with self._lock:
            self._connected.discard(worker)
            self._idle_since = self._clock.monotonic()

    @contextmanager
    def connected(self, worker: Connected) -> Iterator[None]:
        """Count *worker* while it lasts."""
        self.enter(worker)
        try:
            yield
        finally:
            self.leave(worker)

    def names(self) -> list[str]:
        """Of the workers, hexadecimal, in order."""
        with self._lock:
            return sorted(one.worker.hex() for one in self._connected)

    def idle_for(self, now: float) -> float:
        """Seconds without a worker at *now*, monotonic."""
        with self._lock:
            if self._connected:
                return 0.0
            # Before the first worker has come, it is given the time a slow server takes.
            return now - self._idle_since if self._had_workers else (now - self._idle_since) / 6
