"""Turns OTLP histogram points into distributions of a service profile."""

from itertools import pairwise
from typing import Any

from nilometer.export.series import Distribution, downscaled
from nilometer.profile.magnitudes import EMPTY, magnitudes
from nilometer.sketch.exponential import Buckets, ExponentialHistogram


def distribution_in(point: Any, seconds: float) -> Distribution | None:
    """Return the distribution of a point, in seconds; None if its parts contradict each other.

    Exponential points in seconds are kept unchanged. For explicit buckets, every value counts as the
    middle of its bucket. So counts are exact, and each value is off by less than a bucket.
    """
    if hasattr(point, "scale") and seconds == 1.0:
        histogram = ExponentialHistogram(
            point.scale,
            point.zero_count,
            Buckets(point.positive.offset, tuple(point.positive.bucket_counts)),
        )
        fine = not sum(point.negative.bucket_counts) and -10 <= point.scale <= 20
        fine = fine and len(histogram.positive.counts) <= 1024
        fine = fine and abs(point.positive.offset) < 1 << 30
    elif hasattr(point, "explicit_bounds"):
        bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
        if not bounds and not counts:  # OTLP allows a point without buckets
            counts = [point.count]
        fine = len(counts) == len(bounds) + 1 <= 1024 and bounds == sorted(set(bounds))
        fine = fine and all(bound >= 0 for bound in bounds)
        if not fine:
            return None
        histogram = ExponentialHistogram()
        for value, count in zip(_middles(bounds), counts, strict=True):
            if count:
                histogram = histogram.merge(_repeated(value * seconds, count))
    else:
        return None
    if not fine or histogram.count != point.count:
        return None
    total = point.sum * seconds if point.HasField("sum") and point.sum >= 0 else 0.0
    # Merging with an empty histogram lowers the scale to that of stored histograms.
    return Distribution(EMPTY.merge(histogram), total)


def _middles(bounds: list[float]) -> list[float]:
    """Return a value inside each bucket of explicit *bounds*."""
    if not bounds:
        return [0.0]
    inner = [(low + high) / 2 for low, high in pairwise(bounds)]
    return [bounds[0] / 2, *inner, bounds[-1]]


def _repeated(value: float, count: int) -> ExponentialHistogram:
    one = magnitudes([value])
    if not one.positive.counts:
        return ExponentialHistogram(one.scale, count)
    return ExponentialHistogram(one.scale, 0, Buckets(one.positive.offset, (count,)))


def grew(before: ExponentialHistogram, now: ExponentialHistogram) -> bool:
    """Return whether *now* can be a later state of the same series as *before*."""
    if now.scale > before.scale or now.zero_count < before.zero_count:
        return False
    older = downscaled(before.positive, before.scale - now.scale)
    newer = dict(enumerate(now.positive.counts, now.positive.offset))
    return all(newer.get(i, 0) >= n for i, n in enumerate(older.counts, older.offset))
