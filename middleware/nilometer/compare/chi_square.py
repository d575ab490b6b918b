"""Pearson's chi-square statistic of two samples, per degree of freedom.

Bins in which few values are expected are joined (`without_sparse_bins`). The
statistic is divided by its degrees of freedom, so that one threshold fits columns with different
numbers of bins. It grows with the number of values, so it measures how certain a difference is, not
how large.
"""

from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.shares import counts_of, without_sparse_bins


def chi_square(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the statistic of the table of both sides, divided by ``k - 1``.

    Args:
        reference: Counts in each of *k* bins, shape (k,).
        current: Counts in the same bins, shape (k,).

    Returns:
        A number, >= 0, about 1 without drift; 0 if at most one bin is not empty.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    used = r + c > 0
    r, c = r[used], c[used]
    if r.size < 2:
        return 0.0
    both, total = r + c, float(r.sum() + c.sum())
    parts = [both * float(side.sum()) / total for side in (r, c)]
    statistic = sum(
        float(((side - part) ** 2 / part).sum()) for side, part in zip((r, c), parts, strict=True)
    )
    return statistic / (r.size - 1)


def _distance(sides: Sides) -> float:
    return chi_square(*without_sparse_bins(*sides.counts, ordered=sides.bins.ordered))


def one(sides: Sides) -> float:
    """Return the expected statistic without drift: 1, or 0 for a single bin."""
    r, _ = without_sparse_bins(*sides.counts, ordered=sides.bins.ordered)
    return 1.0 if r.size > 1 else 0.0


CHI_SQUARE = Comparator(
    name="chi_square",
    distance=_distance,
    noise=one,
    about="Pearson's statistic of both samples over its degrees of freedom; grows with n",
    unit="per degree of freedom",
    bias="1; its standard deviation is sqrt(2 / (k - 1))",
    source="Pearson 1900; Cochran 1954",
    fewest=Fewest(reference=30, current=30),
)
