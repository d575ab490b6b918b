"""Cosine distance of the shares of two distributions."""

import math

from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, shares_of


def cosine(reference: ArrayLike, current: ArrayLike) -> float:
    """Return one minus the cosine of the angle between the shares.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A number, 0 to 1; 1 if no bin has weight on both sides.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    length = math.sqrt(float((r * r).sum()) * float((c * c).sum()))
    return min(max(1.0 - float((r * c).sum()) / length, 0.0), 1.0)


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    shares, variance = noise_of(reference, current)
    square, cube = float((shares**2).sum()), float((shares**3).sum())
    along = (cube - square**2) / square  # variance along the direction of the shares
    return max(variance * (1 - square - along) / (2 * square), 0.0)


COSINE = Comparator(
    name="cosine",
    distance=of_counts(cosine),
    noise=of_counts(_noise),
    about="one minus the cosine of the angle between the shares of both sides",
    highest=1.0,
    bias="about (k - 1) (1/n + 1/N) / 2 for bins of equal shares",
    source="Salton and McGill 1983",
    fewest=Fewest(reference=30, current=30),
)
