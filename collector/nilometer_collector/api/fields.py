"""Types and conversions of fields that several resources share."""

from typing import Literal, TypeAlias

from nilometer.values.clock import NANOSECONDS

Health: TypeAlias = Literal["OK", "ALERTING", "NO_DATA", "LEARNING", "PAUSED", "NOT_WATCHED"]

Why: TypeAlias = Literal[
    "watched",
    "within_limit",
    "breach_too_short",
    "drift",
    "breach",
    "not_yet_closed",
    "learning",
    "coarse",
    "no_window_yet",
    "immature",
    "no_earlier_window",
    "no_traffic",
    "no_agent",
    "version_gone",
    "no_window",
    "new_normal",
    "outside_schedule",
    "maintenance",
    "switched_off",
    "unstable_baseline",
    "too_few",
    "nothing_to_judge",
    "no_such_summary",
    "no_such_reference",
    "reference_expired",
    "failed",
    "unreadable",
]  # reasons of statuses, see nilometer.alert.Reason


def seconds(at_ns: int) -> float:
    """Convert Unix nanoseconds to Unix seconds."""
    return at_ns / NANOSECONDS
