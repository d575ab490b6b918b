"""How long ground truth takes: counts of lags on a logarithmic scale, which add up."""

import math
from collections.abc import Iterable, Mapping

from nilometer.values.clock import NANOSECONDS

PER_OCTAVE = 4  # bins of a doubling; a quantile is within 19 % of the lag
LAST_BIN = 160  # of 35,000 years

Lags = Mapping[int, int]  # number of labels by bin


def bin_of(lag_ns: int) -> int:
    """Return the bin of a lag; a negative lag counts as 0."""
    seconds = max(lag_ns, 0) / NANOSECONDS
    return min(math.ceil(PER_OCTAVE * math.log2(1.0 + seconds)), LAST_BIN)


def seconds_of(place: int) -> float:
    """Return the upper end of a bin, in seconds."""
    return float(2.0 ** (place / PER_OCTAVE) - 1.0)


def added(lags: Lags, more: Iterable[int]) -> dict[int, int]:
    """Return *lags* with the bins *more* added."""
    found = dict(lags)
    for place in more:
        found[place] = found.get(place, 0) + 1
    return found


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
