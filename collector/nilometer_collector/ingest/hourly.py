"""Limits a log line to one an hour, because thousands of agents may cause it at the same time."""

import threading

from nilometer.values.clock import Clock

HOUR_SECONDS = 3600.0


class Hourly:
    """Tells whether a log line is due. Thread-safe.

    Args:
        clock: Clock for monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: float | None = None

    def is_due(self) -> bool:
        """Return True for the first call, and for the first one an hour after the last True."""
        at = self._clock.monotonic()
        with self._lock:
            if self._last is not None and at - self._last < HOUR_SECONDS:
                return False
            self._last = at
        return True
