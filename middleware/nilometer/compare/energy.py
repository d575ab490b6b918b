"""Energy distance of two numeric columns, in standard deviations of the reference.

Source: Szekely and Rizzo, "Energy statistics: a class of statistics based on distances" (2013).
"""

import math

from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.cumulative import Steps, steps_of


def energy(steps: Steps) -> float:
    """Return the square root of twice the integral of the squared difference."""
    squares = (steps.first**2 + steps.first * steps.last + steps.last**2) / 3
    return math.sqrt(2 * float((steps.widths * squares).sum()))


def _distance(sides: Sides) -> float | None:
    steps = steps_of(sides)
    return None if steps is None else energy(steps)


def _noise(sides: Sides) -> float:
    steps = steps_of(sides)
    if steps is None:
        return 0.0
    return math.sqrt(2 * steps.variance * float((steps.widths * steps.spread).sum()))


ENERGY = Comparator(
    name="energy",
    distance=_distance,
    noise=_noise,
    about="energy distance of the values in standard deviations of the reference",
    unit="",
    bias="at most 1.1 sqrt(1/n + 1/N) for a normal distribution",
    source="Szekely and Rizzo 2013",
    fewest=Fewest(reference=30, current=30),
    needs_order=True,
)
