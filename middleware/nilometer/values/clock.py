"""Sources of time: code takes a clock as an argument, so that a test can step one."""

import time
from typing import Protocol

NANOSECONDS = 1_000_000_000  # per second


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
