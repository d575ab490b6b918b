"""Wasserstein-1 distance of two columns of numbers, in standard deviations of the reference.

It is computed from the t-digests, because a histogram with open ends gives no distances.

Source: Ramdas, Garcia Trillos and Cuturi, "On Wasserstein two-sample testing" (2017).
"""

import math

import numpy as np

from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.cumulative import Steps, steps_of


def wasserstein(steps: Steps) -> float:
    """Return the integral of the absolute difference: the average distance that values moved."""
    first, last = np.abs(steps.first), np.abs(steps.last)
    crosses = steps.first * steps.last < 0
    with np.errstate(invalid="ignore", divide="ignore"):
        crossed = (first**2 + last**2) / (2 * (first + last))
    means = np.where(crosses, crossed, (first + last) / 2)
    return float((steps.widths * means).sum())


def _distance(sides: Sides) -> float | None:
    steps = steps_of(sides)
    return None if steps is None else wasserstein(steps)


def _noise(sides: Sides) -> float:
    steps = steps_of(sides)
    if steps is None:
        return 0.0
    deviations = np.sqrt(2 * steps.spread * steps.variance / math.pi)
    return float((steps.widths * deviations).sum())


WASSERSTEIN = Comparator(
    name="wasserstein",
    distance=_distance,
    noise=_noise,
    about="mean distance by which values moved",
    unit="standard deviations",
    bias="about .9 sqrt(1/n + 1/N) for a normal distribution; more for heavy tails",
    source="Ramdas, Garcia Trillos and Cuturi 2017",
    fewest=Fewest(reference=30, current=30),
    needs_order=True,
)
