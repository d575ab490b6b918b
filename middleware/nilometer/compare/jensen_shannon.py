"""Jensen-Shannon distance: the square root of the divergence, to base 2."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import Floats, noise_of, occupied, shares_of


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the square root of the mean relative entropy, in bits, to the mean of both sides.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A number, 0 to 1; 1 if no bin has weight on both sides.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    mean = (r + c) / 2
    return math.sqrt(max((_entropy(r, mean) + _entropy(c, mean)) / 2, 0.0))


def _entropy(shares: Floats, mean: Floats) -> float:
    """Return the entropy of *shares* relative to *mean* in bits, both of shape (k,)."""
    held = shares > 0
    return float((shares[held] * np.log2(shares[held] / mean[held])).sum())


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    _, variance = noise_of(reference, current)
    return math.sqrt((occupied(reference, current) - 1) * variance / (8 * math.log(2)))


JENSEN_SHANNON = Comparator(
    name="jensen_shannon",
    distance=of_counts(jensen_shannon),
    noise=of_counts(_noise),
    about="square root of the mean relative entropy, in bits, to the mean of both sides",
    highest=1.0,
    bias="at most sqrt((k - 1) (1/n + 1/N) / 5.55)",
    source="Lin 1991; Endres and Schindelin 2003",
    fewest=Fewest(reference=100, current=100),
)
