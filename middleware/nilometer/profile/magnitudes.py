"""Counts times and sizes by magnitude, and computes sums that do not depend on order.

Times and sizes are counted with base 2^(1/32) = 1.0219, so a quantile is within 1.1 % of the true
value. This is scale 5 of OpenTelemetry's exponential histograms. It needs more than the 160 buckets
of OpenTelemetry's SDKs: from a microsecond to an hour there are about 1,000 buckets.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.exponential import ExponentialHistogram

SCALE = 5  # base 1.0219
LIMIT = 1024  # buckets: nine orders of magnitude
EMPTY = ExponentialHistogram(SCALE, limit=LIMIT)


def magnitudes(values: Sequence[float] | NDArray[np.float64]) -> ExponentialHistogram:
    """Return counts by magnitude of *values*, shape (n,): times in seconds or sizes in bytes."""
    if not isinstance(values, np.ndarray):
        # `fromiter` is faster for a list, because it does not look for nested lists.
        values = np.fromiter(values, np.float64, len(values))
    return ExponentialHistogram.of(values, SCALE, LIMIT)


def total(numbers: Iterable[float]) -> float:
    """Return the sum, correctly rounded if possible; it is the same for every order."""
    found = list(numbers)
    try:
        return math.fsum(found)
    except (OverflowError, ValueError):  # infinities
        return sum(sorted(found))
