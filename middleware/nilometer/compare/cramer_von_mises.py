"""Cramer-von Mises distance of two distributions on common bins.

The form for discrete distributions is exact for columns with few distinct values. For others it is
an approximation: with 32 quantile bins it is within 1 % if there is a shift.

Source: Choulakian, Lockhart and Stephens, "Cramer-von Mises statistics for discrete distributions"
(1994).
"""

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, shares_of


def cramer_von_mises(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the mean squared difference of the cumulative shares; both sides have equal weight.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A number, 0 to 2/3.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    between = np.cumsum(c) - np.cumsum(r)
    return float(((r + c) / 2 * between**2).sum())


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    shares, variance = noise_of(reference, current)
    below = np.cumsum(shares)
    return variance * float((shares * below * (1 - below)).sum())


CRAMER_VON_MISES = Comparator(
    name="cramer_von_mises",
    distance=of_counts(cramer_von_mises),
    noise=of_counts(_noise),
    about="mean squared difference of the two cumulative shares",
    highest=2 / 3,
    bias="about (1/n + 1/N) / 6",
    source="Choulakian, Lockhart and Stephens 1994",
    fewest=Fewest(reference=30, current=30),
    needs_order=True,
)
