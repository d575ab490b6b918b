"""How many observations samples account for."""

from collections.abc import Iterable

from nilometer.profile import SummarySample
from nilometer.values.entity import SERVICE


def seen(samples: Iterable[SummarySample]) -> int:
    """Observations that *samples* account for: each is in one service profile."""
    return sum(sample.coverage.seen for sample in samples if sample.summary == SERVICE)
