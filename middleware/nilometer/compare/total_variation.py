"""Total variation distance of two distributions on common bins."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, shares_of


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Return half the sum of the absolute differences of the shares.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A share, 0 to 1: the share of values that moved to another bin.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    return float(np.abs(c - r).sum()) / 2


def variation_noise(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the expected total variation of two samples of one distribution."""
    shares, variance = noise_of(reference, current)
    return float(np.sqrt(2 * shares * (1 - shares) * variance / math.pi).sum()) / 2


TOTAL_VARIATION = Comparator(
    name="total_variation",
    distance=of_counts(total_variation),
    noise=of_counts(variation_noise),
    about="share of the values that moved to another bin",
    highest=1.0,
    bias="about .4 sqrt((k - 1) (1/n + 1/N))",
    source="Levin, Peres and Wilmer 2009, chapter 4",
    fewest=Fewest(reference=100, current=100),
)
