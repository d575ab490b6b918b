"""Types and conversions of fields that several resources share."""

from typing import Literal, TypeAlias

from nilometer.values.clock import NANOSECONDS

Health: TypeAlias = Literal["OK", "ALERTING", "NO_DATA", "LEARNING", "PAUSED", "NOT_WATCHED"]


def seconds(at_ns: int) -> float:
    """Convert Unix nanoseconds to Unix seconds."""
    return at_ns / NANOSECONDS
