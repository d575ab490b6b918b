"""Sources of time. Code takes a clock as an argument, so that a test can control time."""

import math
import time
from typing import Protocol

NANOSECONDS = 1_000_000_000  # per second


class Clock(Protocol):
    """Wall time for labels, and monotonic time for durations."""

    def now_ns(self) -> int:
        """Return the Unix time in nanoseconds, UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary start; never decreases."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now_ns(self) -> int:
        """Return the Unix time in nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary start."""
        return time.monotonic()


def nanoseconds(seconds: float) -> int:
    """Return *seconds*, a Unix time or a duration, rounded to nanoseconds.

    Raises:
        ValueError: If *seconds* is NaN.
        OverflowError: If *seconds* is infinite.
    """
    whole = math.floor(seconds)
    return whole * NANOSECONDS + round((seconds - whole) * NANOSECONDS)
