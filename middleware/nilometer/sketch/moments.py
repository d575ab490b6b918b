"""Central moments up to the fourth order, merged without loss.

Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances" (1979); Pebay, "Formulas for robust, one-pass parallel computation of covariances and
arbitrary-order statistical moments", SAND2008-6212.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sums of powers of deviations from the mean.

    Attributes:
        count: Number of finite observations.
        mean: Mean, in the unit of the feature; 0 without observations.
        m2: Sum of squared deviations.
        m3: Sum of cubed deviations.
        m4: Sum of fourth powers of deviations.

    Values near 1e308 may overflow to infinity in a power; they never raise.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """Return the moments of finite *values*, shape (n,)."""
        n = int(values.size)
        if n == 0:
            return cls()
        with np.errstate(all="ignore"):
            mean = float(values.mean())
            if not math.isfinite(mean):  # the sum overflowed, so the values are scaled down first
                mean = float((values / n).sum())
            deviation = values - mean
            square = deviation * deviation
            return cls(
                n,
                mean,
                float(square.sum()),
                float((square * deviation).sum()),
                float((square * square).sum()),
            )

    @classmethod
    def of_weighted(cls, values: NDArray[np.float64], weights: NDArray[np.float64]) -> Self:
        """Return the moments of finite *values* with whole weights, both of shape (n,)."""
        merged = cls()
        for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
            merged = merged.merge(cls(int(weight), value))
        return merged

    def merge(self, other: Self) -> Self:
        """Return the moments of both streams."""
        if other.count == 0:
            return self
        if self.count == 0:
            return other
        a, b = self.count, other.count
        n = a + b
        delta = other.mean - self.mean
        if not math.isfinite(delta):  # the difference of the means overflows float64
            mean = self.mean * (a / n) + other.mean * (b / n)
            return type(self)(n, mean, math.inf, math.copysign(math.inf, delta), math.inf)
        step = delta / n
        product = delta * step * a * b
        m3 = (
            self.m3
            + other.m3
            + product * step * (a - b)
            + 3.0 * step * (a * other.m2 - b * self.m2)
        )
        m4 = (
            self.m4
            + other.m4
            + product * step * step * (a * a - a * b + b * b)
            + 6.0 * step * step * (a * a * other.m2 + b * b * self.m2)
            + 4.0 * step * (a * other.m3 - b * self.m3)
        )
        mean = (self.mean * a + other.mean * b) / n
        if not math.isfinite(mean):
            mean = self.mean + step * b
        return type(self)(n, mean, self.m2 + other.m2 + product, m3, m4)

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Return the moments of all streams, bit-identical for every order of *parts*."""
        merged = cls()
        for part in sorted(parts, key=attrgetter("count", "mean", "m2", "m3", "m4")):
            merged = merged.merge(part)
        return merged

    def scaled(self, factor: float) -> Self:
        """Return the moments with each observation counted *factor* times, rounded; same mean."""
        count = round(self.count * factor)
        share = count / self.count if self.count else 1.0
        return type(self)(count, self.mean, self.m2 * share, self.m3 * share, self.m4 * share)

    @property
    def variance(self) -> float | None:
        """Population variance; None without observations."""
        return self.m2 / self.count if self.count else None

    @property
    def standard_deviation(self) -> float | None:
        """Square root of `variance`."""
        variance = self.variance
        return None if variance is None else math.sqrt(max(variance, 0.0))
