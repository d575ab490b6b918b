"""Where time comes from, so that the domain reads no clock and a test can step one."""

import time
from typing import Protocol

NANOSECONDS = 1_000_000_000  # in a second


class Clock(Protocol):
    """Wall time for labels, monotonic time for durations."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds, UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()
