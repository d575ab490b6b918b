"""Pearson's chi-square statistic of two samples, per degree of freedom."""

from numpy.typing import ArrayLike

from nilometer.compare.contingency import contingency, per_degree
from nilometer.compare.shares import Floats


def chi_square(reference: ArrayLike, current: ArrayLike) -> float:
    """Return ``sum((O - E)^2 / E)`` of the table of both sides, divided by ``k - 1``.

    Arguments, result and errors are the same as for `per_degree`.
    """
    return per_degree(_part, reference, current)


def _part(observed: Floats, expected: Floats) -> float:
    return float(((observed - expected) ** 2 / expected).sum())


CHI_SQUARE = contingency(
    name="chi_square",
    part=_part,
    about="Pearson's statistic",
    source="Pearson 1900; Cochran 1954",
)
