"""Population stability index, reduced by the amount that sampling noise alone would cause.

Bins with few expected values are joined (`without_sparse_bins`). Half a count is added to each bin
of both sides, so that the logarithm of an empty bin is finite and depends on the sample size. With
a fixed floor of 1e-4, the sample size would not matter.

Source: Lewis, "An Introduction to Credit Scoring" (1994); noise after Yurdakul, "Statistical
properties of population stability index" (2018); half counts after Jeffreys (1946).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, Interval, Sides
from nilometer.compare.shares import Floats, counts_of, without_sparse_bins

HALF = 0.5  # count added to each bin
NORMAL_95 = 1.96  # standard deviations on each side of an interval with 95 % confidence


def population_stability_index(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the symmetric relative entropy between two binned distributions.

    ``sum((c - r) * ln(c / r))`` over bins, where *r* and *c* are proportions after half a count was
    added to each bin. Bins that are empty on both sides are left out.

    Args:
        reference: Counts in each of *k* bins, shape (k,).
        current: Counts in the same bins, shape (k,).

    Returns:
        A value in nats, >= 0; 0 for equal counts.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = _smoothed(reference, current)
    return float(((c - r) * np.log(c / r)).sum())


def psi_noise(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the expected PSI of two samples of one distribution: about ``(k - 1) (1/n + 1/N)``.

    The half counts reduce the PSI slightly. Arguments and errors are the same as
    for `population_stability_index`.
    """
    r, c = counts_of(reference, current)
    bins = int(np.count_nonzero(r + c))
    sizes = (float(side.sum()) for side in (r, c))
    return (bins - 1) * sum(size / (size + HALF * bins) ** 2 for size in sizes)


def debiased_psi(reference: ArrayLike, current: ArrayLike, *, ordered: bool) -> float:
    """Return the PSI over bins that are not sparse, minus its noise; at least 0.

    Without drift, *n* times the PSI follows about a chi-square distribution with *k* - 1 degrees of
    freedom, so a fixed threshold would react to noise. ``make quality`` prints how often this
    exceeds .25.

    Args:
        reference: Counts in each of *k* bins, *N* in total.
        current: Counts in the same bins, *n* in total.
        ordered: Whether the bins have an order, see `without_sparse_bins`.

    Returns:
        A value in nats, >= 0.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = without_sparse_bins(reference, current, ordered=ordered)
    return max(population_stability_index(r, c) - psi_noise(r, c), 0.0)


def psi_interval(reference: ArrayLike, current: ArrayLike, *, ordered: bool) -> Interval:
    """Return the interval of `debiased_psi` with 95 % confidence, by the delta method.

    Arguments and errors are the same as for `debiased_psi`.
    """
    counts = without_sparse_bins(reference, current, ordered=ordered)
    noise = psi_noise(*counts)
    value = population_stability_index(*counts) - noise
    r, c = _smoothed(*counts)
    ratio = np.log(c / r)
    variance = (
        _variance(c, ratio + 1 - r / c) / float(counts[1].sum())
        + _variance(r, 1 - c / r - ratio) / float(counts[0].sum())
        + 2 * noise**2 / max(r.size - 1, 1)  # second-order term, without drift too
    )
    spread = NORMAL_95 * math.sqrt(variance)
    return Interval(max(value - spread, 0.0), max(value + spread, 0.0))


def _smoothed(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    r, c = counts_of(reference, current)
    used = r + c > 0
    r, c = r[used] + HALF, c[used] + HALF
    return r / r.sum(), c / c.sum()


def _variance(shares: Floats, slopes: Floats) -> float:
    """Return the variance of one draw from *slopes* with probabilities *shares*, each (k,)."""
    mean = float((shares * slopes).sum())
    return max(float((shares * slopes**2).sum()) - mean**2, 0.0)


def _distance(sides: Sides) -> float:
    return debiased_psi(*sides.counts, ordered=sides.bins.ordered)


def _interval(sides: Sides) -> Interval:
    return psi_interval(*sides.counts, ordered=sides.bins.ordered)


PSI = Comparator(
    name="psi",
    distance=_distance,
    interval=_interval,
    about="sum of (c - r) ln(c / r) over the bins, minus the noise of samples of this size",
    unit="nats",
    bias="0; about (k - 1) (1/n + 1/N) is subtracted",
    source="Lewis 1994; Yurdakul 2018",
    fewest=Fewest(reference=100, current=100),
)
