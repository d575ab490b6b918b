"""Fields that the views of several resources have."""

from typing import Literal, TypeAlias

from nilometer.values.clock import NANOSECONDS

Health: TypeAlias = Literal["OK", "ALERTING", "NO_DATA", "LEARNING", "PAUSED"]


def seconds(at_ns: int) -> float:
    """Unix seconds of Unix nanoseconds."""
    return at_ns / NANOSECONDS
