"""A mean over rows with an interval, from exact sums."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np

from nilometer.profile.performance.estimate import FEWEST_ALIKE, Estimate, amount, normal, share
from nilometer.sketch.exact import (
    MAX_FACTOR,
    UNIT_BITS,
    Floats,
    exact_product_units,
    exact_units,
    without_tiny,
)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a number that each row has. Any order and grouping of merges gives the same bits.

    Attributes:
        count: Number of rows.
        total: Exact sum of the numbers, in units of 2^-1074.
        squares: Exact sum of their squares, in units of 2^-1074.
    """

    count: int = 0
    total: int = 0
    squares: int = 0

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Return the mean of finite *values*, shape (n,), absolutely at most `MAX_FACTOR`.

        Numbers below 1e-60 count as 0.

        Raises:
            ValueError: If a value is not finite or too large.
        """
        if not (np.abs(values) <= MAX_FACTOR).all():
            raise ValueError(f"a number of a row is not finite, or is over {MAX_FACTOR:g}")
        values = without_tiny(values)
        return cls(int(values.size), exact_units(values), exact_product_units(values, values))

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Return the mean over the rows of all *parts*."""
        known = list(parts)
        return cls(
            sum(part.count for part in known),
            sum(part.total for part in known),
            sum(part.squares for part in known),
        )

    def without(self, part: "Mean") -> "Mean":
        """Return the mean over the rows that are not in *part*, which are some of these rows."""
        return Mean(self.count - part.count, self.total - part.total, self.squares - part.squares)

    @property
    def value(self) -> float | None:
        """The mean, correctly rounded; None without rows."""
        return self.total / (self.count << UNIT_BITS) if self.count else None

    @property
    def estimate(self) -> Estimate | None:
        """The mean of numbers of any sign with its interval; None without rows."""
        value = self.value
        return None if value is None else normal(value, self.variance, self.count)

    @property
    def as_amount(self) -> Estimate | None:
        """The mean of numbers that are at least 0 with its interval; None without rows."""
        value = self.value
        return None if value is None else amount(value, self.variance, self.count, self.alike)

    @property
    def as_share(self) -> Estimate | None:
        """The mean of numbers from 0 to 1 with its interval; None without rows."""
        value = self.value
        if value is None:
            return None
        inside = min(max(value, 0.0), 1.0)
        whole = self.count << UNIT_BITS
        lacks = Mean(self.count, whole - self.total, whole - 2 * self.total + self.squares)
        alike = min(self.alike, lacks.alike)
        if alike < FEWEST_ALIKE:
            # No numbers from 0 to 1 vary more than those that are 0 or 1.
            return share(inside, inside * (1.0 - inside) / self.count, self.count)
        return share(inside, self.variance, self.count, alike - 1.0)

    @property
    def alike(self) -> float:
        """Number of rows that would have the same sums if all had one number; 0 without a sum."""
        squares = self.squares << UNIT_BITS
        return self.total * self.total / squares if squares else 0.0

    @property
    def variance(self) -> float:
        """Variance of the mean; infinity for one row."""
        if self.count < 2:
            return math.inf
        # The exact difference, because the squares may exceed the variance by many digits.
        mean = Fraction(self.total, self.count << UNIT_BITS)
        deviations = Fraction(self.squares, 1 << UNIT_BITS) - mean * mean * self.count
        return float(deviations / (self.count * (self.count - 1)))


NO_MEAN = Mean()
