"""Exact sums and products are those of fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nilometer.sketch.exact import (
    MAX_FACTOR,
    MIN_FACTOR,
    UNIT_BITS,
    exact_product_units,
    exact_units,
)

numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30)
# Neither the products nor their parts leave the range of float64.
factors = st.floats(MIN_FACTOR, MAX_FACTOR) | st.floats(-MAX_FACTOR, -MIN_FACTOR) | st.just(0.0)


def of(units: int) -> Fraction:
    return Fraction(units, 1 << UNIT_BITS)


@given(numbers)
def test_a_sum_is_exact_for_every_float(values: list[float]) -> None:
    assert of(exact_units(np.array(values))) == sum(map(Fraction, values))


def test_the_smallest_and_many_numbers_are_exact() -> None:
    tiny = [5e-324, -5e-324, 5e-324, 2.0**-1022, 1.5 * 2.0**-1023]
    assert of(exact_units(np.array(tiny))) == sum(map(Fraction, tiny))
    many = np.full(100_000, 2.0**53 - 1)
    assert of(exact_units(many)) == 100_000 * (2**53 - 1)


@given(st.lists(st.tuples(factors, factors), max_size=8), st.integers(2, 4))
def test_a_sum_of_products_is_exact(rows: list[tuple[float, float]], many: int) -> None:
    ours, theirs = (np.array([row[at] for row in rows]) for at in (0, 1))
    chosen = [ours, theirs, ours, theirs][:many]
    expected = sum(
        (Fraction(a) ** (many - many // 2)) * (Fraction(b) ** (many // 2)) for a, b in rows
    )
    assert of(exact_product_units(*chosen)) == expected
