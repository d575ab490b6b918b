"""Anderson-Darling distance: like Cramer-von Mises, but with the same weight for the tails.

Source: Pettitt, "A two-sample Anderson-Darling rank statistic" (1976); the form for discrete
distributions after Choulakian, Lockhart and Stephens (1994).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, of_counts
from nilometer.compare.shares import noise_of, shares_of


def anderson_darling(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the mean of ``D ** 2 / (H (1 - H))``; *D* is the difference of the cumulative shares.

    *H* is the mean of both cumulative shares; both sides have equal weight.

    Args:
        reference: Weight in each of *k* bins, shape (k,); any positive scale.
        current: Weight in the same bins, shape (k,).

    Returns:
        A number, 0 to 4 ln 2.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = shares_of(reference, current)
    weight = (r + c) / 2
    below = np.cumsum(weight)
    between = np.cumsum(c) - np.cumsum(r)
    spread = below * (1 - below)
    inside = spread > 1e-12  # the cumulative shares are equal at both ends
    return float((weight[inside] * between[inside] ** 2 / spread[inside]).sum())


def _noise(reference: ArrayLike, current: ArrayLike) -> float:
    shares, variance = noise_of(reference, current)
    below = np.cumsum(shares)
    return variance * float(shares[below * (1 - below) > 1e-12].sum())


ANDERSON_DARLING = Comparator(
    name="anderson_darling",
    distance=of_counts(anderson_darling),
    noise=of_counts(_noise),
    about="mean squared difference of the two cumulative shares over its variance",
    highest=4 * math.log(2),
    bias="about 1/n + 1/N",
    source="Pettitt 1976; Choulakian, Lockhart and Stephens 1994",
    fewest=Fewest(reference=30, current=30),
    needs_order=True,
)
