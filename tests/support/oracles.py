"""Slow, obvious definitions with which sketches and comparators are compared."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def rank_error(ordered: NDArray[np.float64], value: float, q: float) -> float:
    """Return how far the share *q* is outside the ranks of *value* among *ordered* values.

    A repeated value has an interval of ranks.
    """
    below = float(np.searchsorted(ordered, value, "left")) / ordered.size
    up_to = float(np.searchsorted(ordered, value, "right")) / ordered.size
    return max(below - q, q - up_to, 0.0)


def share_up_to(values: Sequence[float], limit: float) -> float:
    """Return the share of *values* that are at most *limit*."""
    return sum(value <= limit for value in values) / len(values)


def moments(values: Iterable[float]) -> tuple[int, Fraction, Fraction, Fraction, Fraction]:
    """Return count, mean and sums of powers (2 to 4) of deviations, without rounding."""
    exact = [Fraction(value) for value in values]
    if not exact:
        return 0, Fraction(0), Fraction(0), Fraction(0), Fraction(0)
    mean = sum(exact, Fraction(0)) / len(exact)
    powers = [sum(((value - mean) ** k for value in exact), Fraction(0)) for k in (2, 3, 4)]
    return len(exact), mean, powers[0], powers[1], powers[2]


def psi(reference: Sequence[float], current: Sequence[float]) -> float:
    """Return the population stability index in nats, with half a count added to each used bin."""
    used = [(r + 0.5, c + 0.5) for r, c in zip(reference, current, strict=True) if r + c]
    past, present = math.fsum(r for r, _ in used), math.fsum(c for _, c in used)
    return math.fsum(
        (c / present - r / past) * math.log((c / present) / (r / past)) for r, c in used
    )


def ks(reference: Sequence[float], current: Sequence[float]) -> float:
    """Return the largest distance of two empirical distribution functions, over all values."""
    return max(
        abs(share_up_to(reference, value) - share_up_to(current, value))
        for value in {*reference, *current}
    )


def distinct(values: Iterable[Hashable]) -> int:
    """Return the number of distinct values."""
    return len(set(values))


def heavy(values: Iterable[str]) -> Counter[str]:
    """Return the count of each value."""
    return Counter(values)


def bucket_holds(value: float, index: int, scale: int, tolerance: float) -> bool:
    """Return whether ``base**index < value <= base**(index + 1)`` with ``base = 2**(2**-scale)``.

    For a scale of 0 or less, the bounds are powers of two and the result is exact. For a larger
    scale, the logarithm of *value* is computed separately for mantissa and exponent, so that only
    *tolerance* (in log2) is allowed.
    """
    if scale <= 0:
        width = 1 << -scale
        exact = Fraction(value)
        return _power(index * width) < exact <= _power((index + 1) * width)
    mantissa, exponent = math.frexp(value)
    low, high = Fraction(index, 1 << scale) - exponent, Fraction(index + 1, 1 << scale) - exponent
    logarithm = math.log2(mantissa)
    if mantissa == 0.5:  # a power of two: exact
        return low < -1 <= high
    return float(low) - tolerance < logarithm <= float(high) + tolerance


def _power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent
