"""How many observations samples account for, and the account of those that are lost."""

from collections.abc import Iterable
from typing import TypeAlias

from nilometer.profile import Coverage, Profile, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.reasons import DropReason
from nilometer_agent.outbox.rows import WindowKey

# Samples of a window that are not committed yet, and whether they were decoded here.
Taken: TypeAlias = tuple[WindowKey, list[SummarySample], bool]


def seen(samples: Iterable[SummarySample]) -> int:
    """Observations that *samples* account for: each is in one service profile."""
    return sum(sample.coverage.seen for sample in samples if sample.summary == SERVICE)


def lost(key: WindowKey, observations: int) -> Taken:
    """In place of what cannot be stored: that so many observations were lost."""
    profile = Profile(key.entity, key.labels, key.window)
    profile.cover(Coverage(dropped={DropReason.INTERNAL_ERROR.value: observations}))
    return key, profile.samples(), True
