"""Kolmogorov-Smirnov distance of two distributions on common bins."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, shares_of

MEAN_OF_KOLMOGOROV = math.sqrt(math.pi / 2) * math.log(2)  # mean of the limiting distribution


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the largest difference of the cumulative distributions at the edges of the bins.

    The result is a lower bound of the distance over all values. With 32 quantile bins, it is at
    most .012 too small.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A share, 0 to 1.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    return float(np.abs(np.cumsum(c) - np.cumsum(r)).max())


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    return MEAN_OF_KOLMOGOROV * math.sqrt(noise_of(reference, current)[1])


KS = Comparator(
    name="ks",
    distance=of_counts(kolmogorov_smirnov),
    noise=of_counts(_noise),
    about="largest difference of the two cumulative shares at the edges of the bins",
    highest=1.0,
    bias="at most .87 sqrt(1/n + 1/N)",
    source="Kolmogorov 1933; Smirnov 1948",
    fewest=Fewest(reference=30, current=30),
    needs_order=True,
)
