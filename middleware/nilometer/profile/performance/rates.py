"""Statistics of counts with their gradients, from which their variances follow.

All take counts as floats, whole for realised performance and fractional for estimates without
ground truth. A statistic *T* of independent rows whose counts are *c* has the variance
``sum(c g^2)`` with ``g = dT/dc`` (delta method). The gradients sum to 0 with the counts, because a
statistic does not change when all counts are doubled.

Counts by class have shape (k, k): predicted class, true class. The cells of the scores of one class
have shape (2, 2, bins): whether the class is predicted, whether it is true, and the bin.

Sources: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
receiver operating characteristic curves" (1988), for the area under a curve; Hanley and McNeil, "The
meaning and use of the area under a receiver operating characteristic (ROC) curve" (1982), for its
least variance, with the mean of both numbers of rows as in Newcombe's method 5 (2006).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.performance.estimate import Estimate, normal, share

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A statistic of counts.

    Attributes:
        value: Value of the statistic.
        gradient: Derivative by each count, of the shape of the counts.
        rows: Number of rows on which the value rests.
        freedom: Degrees of freedom of its variance; infinity for a share of rows.
        least: Least variance that rows of these counts have.
    """

    value: float
    gradient: Floats
    rows: float
    freedom: float = math.inf
    least: float = 0.0

    def variance(self, counts: Floats) -> float:
        """Return the variance of the value for independent rows with these *counts*."""
        if self.freedom <= 0.0:
            return math.inf
        found = float((counts * self.gradient**2).sum())
        if math.isfinite(self.freedom):  # the variance of a sample, not of all rows
            found *= (self.freedom + 1.0) / self.freedom
        return max(found, self.least)

    def as_share(self, counts: Floats, extra: float = 0.0) -> Estimate:
        """Return the estimate of a statistic between 0 and 1; *extra* is added to its variance."""
        inside = min(max(self.value, 0.0), 1.0)
        return share(inside, self.variance(counts) + extra, self.rows, self.freedom)

    def as_number(self, counts: Floats, extra: float = 0.0) -> Estimate:
        """Return the estimate of any other statistic; *extra* is added to its variance."""
        squared = self.gradient**2
        fourth = float((counts * squared**2).sum())
        # A few rows far from the others determine the variance, which then has their freedom.
        alike = float((counts * squared).sum()) ** 2 / fourth if fourth else self.rows
        found = normal(self.value, self.variance(counts) + extra, min(alike, self.rows))
        return replace(found, rows=self.rows)


def ratio(counts: Floats, hits: Floats, base: Floats) -> Rate | None:
    """Return ``sum(hits * counts) / sum(base * counts)``; None if the divisor is 0.

    Args:
        counts: Counts of rows, any shape.
        hits: Weight of each count above the line, broadcast to *counts*.
        base: Weight of each count below the line, broadcast to *counts*.
    """
    below = float((base * counts).sum())
    if below <= 0.0:
        return None
    value = float((hits * counts).sum()) / below
    gradient = np.broadcast_to((hits - value * base) / below, counts.shape)
    return Rate(value, gradient, below)


def mean_of(rates: Sequence[Rate]) -> Rate:
    """Return the mean of *rates*, at least one, which all are of the same counts."""
    return Rate(
        sum(rate.value for rate in rates) / len(rates),
        np.mean([rate.gradient for rate in rates], axis=0),
        min(rate.rows for rate in rates),
    )


def accuracy(counts: Floats) -> Rate | None:
    """Return the share of predictions that are right.

    Here and below, *counts* has shape (k, k) by predicted and true class, or (k, k, bins).
    """
    right = np.eye(counts.shape[0])
    return ratio(counts, _aligned(right, counts), np.ones(counts.shape))


def precision(counts: Floats, at: int) -> Rate | None:
    """Return the share of right predictions among the predictions of class *at*."""
    hit, predicted, _ = _weights(counts, at)
    return ratio(counts, hit, predicted)


def recall(counts: Floats, at: int) -> Rate | None:
    """Return the share of the rows of class *at* that are predicted as *at*."""
    hit, _, true = _weights(counts, at)
    return ratio(counts, hit, true)


def f1(counts: Floats, at: int) -> Rate | None:
    """Return the harmonic mean of precision and recall of class *at*."""
    hit, predicted, true = _weights(counts, at)
    return ratio(counts, 2.0 * hit, predicted + true)


def value_of(counts: Floats, values: Floats) -> Rate | None:
    """Return the mean over rows of *values*, shape (k, k): the worth of one row of each cell."""
    return ratio(counts, _aligned(values, counts), np.ones(counts.shape))


def roc_auc(cells: Floats) -> Rate | None:
    """Return the probability that a row of the class has a higher score than another row.

    Rows in one bin count one half, so the result is exact if equal scores share a bin and no
    others do. It is None if all rows are of the class, or none is.

    Args:
        cells: Counts of shape (2, 2, bins): predicted, true, bin; bins ascend.
    """
    negatives, positives = cells.sum(axis=0)
    rows_of, others = float(positives.sum()), float(negatives.sum())
    if rows_of <= 0.0 or others <= 0.0:
        return None
    below = (np.cumsum(negatives) - negatives / 2.0) / others
    above = 1.0 - (np.cumsum(positives) - positives / 2.0) / rows_of
    value = float(positives @ below) / rows_of
    by_truth = np.stack([(above - value) / others, (below - value) / rows_of])
    fewer = min(rows_of, others)
    return Rate(
        value,
        np.broadcast_to(by_truth, cells.shape),
        fewer,
        freedom=fewer - 1.0,
        least=_least_variance(value, rows_of, others),
    )


def _least_variance(area: float, positives: float, negatives: float) -> float:
    """Return the variance that an area has if scores are exponentially distributed.

    The variance of a few rows is smaller than this by chance, and 0 if the area is 0 or 1. An area
    of 1 counts as one with half a pair in the wrong order.
    """
    pairs = max(positives * negatives, 1.0)
    inside = min(max(area, 0.5 / pairs), 1.0 - 0.5 / pairs)
    others = (positives + negatives) / 2.0 - 1.0
    by_others = others * ((1.0 - inside) / (2.0 - inside) + inside / (1.0 + inside))
    return inside * (1.0 - inside) * (1.0 + max(by_others, 0.0)) / pairs


def average_precision(cells: Floats) -> Rate | None:
    """Return the mean precision over the thresholds at which a row of the class is found.

    All rows of a bin are found at once, as rows of one score are. Wider bins so give a slightly
    lower value. It is None without rows of the class.

    Args:
        cells: Counts of shape (2, 2, bins): predicted, true, bin; bins ascend.
    """
    counts = cells.sum(axis=0)
    positives = counts[1]
    total = float(positives.sum())
    if total <= 0.0:
        return None
    found = np.cumsum(positives[::-1])[::-1]
    seen = np.cumsum(counts.sum(axis=0)[::-1])[::-1]
    filled = np.where(seen > 0.0, seen, 1.0)
    at = found / filled
    value = float(positives @ at) / total
    # A row changes the precision at its own threshold and at all lower ones.
    more_found = np.cumsum(positives / total * (filled - found) / filled**2)
    more_seen = np.cumsum(positives / total * found / filled**2)
    by_truth = np.stack([-more_seen, more_found + (at - value) / total])
    return Rate(value, np.broadcast_to(by_truth, cells.shape), total, freedom=total - 1.0)


def _weights(counts: Floats, at: int) -> tuple[Floats, Floats, Floats]:
    """Return the masks of the cells in which *at* is right, is predicted, and is true."""
    hit, predicted, true = (np.zeros(counts.shape) for _ in range(3))
    hit[at, at] = 1.0
    predicted[at, :] = 1.0
    true[:, at] = 1.0
    return hit, predicted, true


def _aligned(weights: Floats, counts: Floats) -> Floats:
    """Return *weights* of shape (k, k) with an axis for the bins, if the counts have bins."""
    return weights.reshape(weights.shape + (1,) * (counts.ndim - 2))
