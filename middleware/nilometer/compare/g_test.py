"""The G statistic (likelihood ratio) of two samples, per degree of freedom.

Bins are joined and the statistic is divided as in `nilometer.compare.chi_square`.
"""

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.chi_square import one
from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.shares import counts_of, without_sparse_bins


def g_statistic(reference: ArrayLike, current: ArrayLike) -> float:
    """Return ``2 sum(O ln(O / E))`` of the table of both sides, divided by ``k - 1``.

    Args:
        reference: Counts in each of *k* bins, shape (k,).
        current: Counts in the same bins, shape (k,).

    Returns:
        A number, >= 0, about 1 without drift; 0 if at most one bin is not empty.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    both = r + c
    bins = int(np.count_nonzero(both))
    if bins < 2:
        return 0.0
    statistic = 0.0
    for side in (r, c):
        held = side > 0
        expected = both[held] * (side.sum() / both.sum())
        statistic += 2 * float((side[held] * np.log(side[held] / expected)).sum())
    return max(statistic, 0.0) / (bins - 1)


def _distance(sides: Sides) -> float:
    return g_statistic(*without_sparse_bins(*sides.counts, ordered=sides.bins.ordered))


G_TEST = Comparator(
    name="g_test",
    distance=_distance,
    noise=one,
    about="likelihood ratio of both samples over its degrees of freedom; grows with n",
    unit="per degree of freedom",
    bias="1; its standard deviation is sqrt(2 / (k - 1))",
    source="Wilks 1935; Woolf 1957",
    fewest=Fewest(reference=30, current=30),
)
