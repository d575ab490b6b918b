"""How long ground truth takes: counts of lags on a logarithmic scale, which add up."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from nilometer.values.clock import NANOSECONDS

PER_OCTAVE = 4  # bins of a doubling; a quantile is within 19 % of the lag
LAST_BIN = 160  # of 35,000 years

Lags: TypeAlias = Mapping[int, int]  # number of labels by bin


def lags_of(nanoseconds: Sequence[int]) -> dict[int, int]:
    """Return the counts of lags, in nanoseconds; a negative lag counts as 0."""
    seconds = np.maximum(np.array(nanoseconds, dtype=np.float64), 0.0) / NANOSECONDS
    bins = np.minimum(np.ceil(PER_OCTAVE * np.log2(1.0 + seconds)), LAST_BIN).astype(np.int64)
    places, counts = np.unique(bins, return_counts=True)
    return dict(zip(places.tolist(), counts.tolist(), strict=True))


def seconds_of(place: int) -> float:
    """Return the upper end of a bin, in seconds."""
    return float(2.0 ** (place / PER_OCTAVE) - 1.0)


def summed(parts: Iterable[Lags]) -> dict[int, int]:
    """Return the counts of all *parts*."""
    found: dict[int, int] = {}
    for part in parts:
        for place, count in part.items():
            found[place] = found.get(place, 0) + count
    return found


def until(lags: Lags, age_seconds: float) -> int:
    """Return the number of labels that had arrived at this age of their predictions."""
    return sum(count for place, count in lags.items() if seconds_of(place) <= age_seconds)


def quantile(lags: Lags, share: float) -> float | None:
    """Return the lag in seconds within which this *share* of the labels arrived; None without one."""
    total = sum(lags.values())
    reached = 0
    for place in sorted(lags):
        reached += lags[place]
        if total and reached >= share * total:
            return seconds_of(place)
    return None
