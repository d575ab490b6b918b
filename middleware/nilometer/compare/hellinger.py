"""Hellinger distance of two distributions on common bins."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, occupied, shares_of


def hellinger(reference: ArrayLike, current: ArrayLike) -> float:
    """Return ``sqrt(sum((sqrt(c) - sqrt(r)) ** 2) / 2)`` over the shares *r* and *c*.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A number, 0 to 1; 1 if no bin has weight on both sides.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    return math.sqrt(float(((np.sqrt(c) - np.sqrt(r)) ** 2).sum()) / 2)


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    _, variance = noise_of(reference, current)
    return math.sqrt((occupied(reference, current) - 1) * variance / 8)


HELLINGER = Comparator(
    name="hellinger",
    distance=of_counts(hellinger),
    noise=of_counts(_noise),
    about="Euclidean distance of the square roots of the shares, over the square root of 2",
    highest=1.0,
    bias="at most sqrt((k - 1) (1/n + 1/N) / 8)",
    source="Hellinger 1909",
    fewest=Fewest(reference=100, current=100),
)
