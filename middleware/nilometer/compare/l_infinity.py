"""L-infinity distances: the largest difference of a share, with or without sampling noise."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, occupied, shares_of

ROBUST = 1.8  # critical value at which Deequ's two-sample test has a level of about .003


def l_infinity(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the largest absolute difference of a share.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A share, 0 to 1.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    return float(np.abs(c - r).max())


def l_infinity_robust(reference: ArrayLike, current: ArrayLike) -> float:
    """Return `l_infinity` minus ``1.8 sqrt(1/n + 1/N)``; at least 0.

    Args:
        reference: Counts in each of *k* bins, *N* in total.
        current: Counts in the same bins, *n* in total.

    Returns:
        A share, 0 to 1; almost always 0 without drift.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    _, variance = noise_of(reference, current)
    return max(l_infinity(reference, current) - ROBUST * math.sqrt(variance), 0.0)


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the bound of the largest of *k* normal variables: ``sqrt(2 ln(2 k))`` deviations."""
    shares, variance = noise_of(reference, current)
    largest = math.sqrt(float((shares * (1 - shares)).max()) * variance)
    return largest * math.sqrt(2 * math.log(2 * occupied(reference, current)))


L_INFINITY = Comparator(
    name="l_infinity",
    distance=of_counts(l_infinity),
    noise=of_counts(_noise),
    about="largest difference of the share of a bin",
    highest=1.0,
    bias="at most sqrt(2 ln(2 k) p (1 - p) (1/n + 1/N)), where p is the largest share",
    source="Breck et al. 2019 (TensorFlow Data Validation)",
    fewest=Fewest(reference=30, current=30),
)
L_INFINITY_ROBUST = Comparator(
    name="l_infinity_robust",
    distance=of_counts(l_infinity_robust),
    about="largest difference of the share of a bin, minus 1.8 sqrt(1/n + 1/N)",
    highest=1.0,
    bias="0",
    source="Deequ, Distance.scala; SageMaker Model Monitor",
    fewest=Fewest(reference=30, current=30),
)
