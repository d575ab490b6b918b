"""Exact sums of float64 numbers, and exact products as sums.

A sum is a whole number of units of 2^-1074, the smallest positive float64. So the order and the
grouping of additions change no bit, and a number can be taken out of a sum again. Many numbers are
added at once: their mantissas are integers, which are summed by exponent.

A product of float64 numbers is a sum of float64 numbers, found without rounding by splitting each
factor. Source: Dekker, "A floating-point technique for extending the available precision" (1971).
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UNIT_BITS = 1074  # a sum is counted in units of 2^-UNIT_BITS
MAX_FACTOR = 1e60  # largest absolute value of a factor; four factors stay far below 1e308
MIN_FACTOR = 1e-60  # smallest absolute value of a factor besides 0
_MANTISSA_BITS = 53
_LOW_BITS = 27  # halves of a mantissa are summed apart, so that 2^36 numbers fit into int64
_SPLITTER = 2.0**27 + 1.0


def units_of(value: float) -> int:
    """Return a finite *value* in units of 2^-1074."""
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_BITS + 1 - denominator.bit_length())


def exact_units(values: Floats) -> int:
    """Return the exact sum of finite *values*, shape (n,), in units of 2^-1074."""
    if not values.size:
        return 0
    fractions, exponents = np.frexp(values)
    order = np.argsort(exponents, kind="stable")
    exponents = exponents[order]
    mantissas = np.ldexp(fractions[order], _MANTISSA_BITS).astype(np.int64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(exponents)) + 1])
    high = np.add.reduceat(mantissas >> _LOW_BITS, starts).tolist()
    low = np.add.reduceat(mantissas & ((1 << _LOW_BITS) - 1), starts).tolist()
    total = 0
    for exponent, above, below in zip(exponents[starts].tolist(), high, low, strict=True):
        shift = exponent - _MANTISSA_BITS + UNIT_BITS
        whole = (above << _LOW_BITS) + below
        # Numbers below 2^-1021 have fewer digits: the bits that the shift removes are zeros.
        total += whole << shift if shift >= 0 else whole >> -shift
    return total


def without_tiny(values: Floats) -> Floats:
    """Return *values* with 0 for those below `MIN_FACTOR`, for `exact_product_units`."""
    return np.where(np.abs(values) < MIN_FACTOR, 0.0, values)


def exact_product_units(*factors: Floats) -> int:
    """Return the exact sum over rows of the products of *factors*, in units of 2^-1074.

    Args:
        factors: One to four arrays of shape (n,). Each number is 0, or from `MIN_FACTOR` to
            `MAX_FACTOR` without its sign, so that no part of a product leaves the range of float64.
    """
    first, *others = factors
    terms = [first]
    for factor in others:
        terms = [part for term in terms for part in _two_product(term, factor)]
    return sum(exact_units(term) for term in terms)


def _two_product(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Return the rounded products of both, and the errors of the rounding."""
    rounded = one * other
    error = -rounded
    for left, right in product(_halves(one), _halves(other)):
        error = error + left * right
    return rounded, error


def _halves(values: Floats) -> tuple[Floats, Floats]:
    """Return two parts of 26 bits that add to *values*, the larger part first."""
    scaled = _SPLITTER * values
    high = scaled - (scaled - values)
    return high, values - high
