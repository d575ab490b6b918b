"""Mahalanobis distance of the mean vectors, the effect behind Hotelling's two-sample statistic."""

import math

import numpy as np

from nilometer.compare.comparator import Comparator, Counted, Fewest, Sides
from nilometer.compare.vectors import Moments, moments_of, vector_bins


def mahalanobis(past: Moments, now: Moments) -> float:
    """Return the distance of the means in standard deviations of both sides together.

    Hotelling's statistic is ``T^2 = n N / (n + N)`` times its square.

    Args:
        past: Moments of *N* vectors of the reference, N >= 2.
        now: Moments of *n* vectors, n >= 2, in the same components.
    """
    pooled = past.count * past.covariance + now.count * now.covariance
    pooled /= past.count + now.count - 2
    moved = now.mean - past.mean
    return math.sqrt(max(float(moved @ np.linalg.solve(pooled, moved)), 0.0))


def _distance(sides: Sides) -> float:
    return mahalanobis(*moments_of(sides))


def _noise(sides: Sides) -> float:
    """Return the root of the mean square of the distance of two samples of one normal distribution."""
    past, now = moments_of(sides)
    size, freedom = past.mean.size, past.count + now.count - 2
    rest = max(freedom - size - 1, 1)
    return math.sqrt(size * (1 / past.count + 1 / now.count) * freedom / rest)


HOTELLING = Comparator(
    name="hotelling",
    distance=_distance,
    noise=_noise,
    about="Mahalanobis distance of the mean vectors in the components of the reference",
    unit="standard deviations",
    bias="about sqrt(k (1/n + 1/N)) for k components, at most 16",
    source="Hotelling 1931; Mahalanobis 1936",
    fewest=Fewest(reference=100, current=30),
    bins=vector_bins,
    counted=Counted.VECTORS,
)
