import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles, strategies

from nilometer.sketch import Moments

measured = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def moments_of(values: list[float]) -> Moments:
    return Moments.of(np.array(values, dtype=np.float64))


def assert_exact(found: Moments, values: list[float]) -> None:
    count, *exact = oracles.moments(values)
    assert found.count == count
    spread = max((abs(value) for value in values), default=0.0)
    scales = [spread, *(count * (2 * spread) ** power for power in (2, 3, 4))]
    pairs = zip((found.mean, found.m2, found.m3, found.m4), exact, scales, strict=True)
    for ours, true, scale in pairs:
        assert ours == pytest.approx(float(true), rel=1e-9, abs=1e-12 * scale)


@given(measured)
def test_moments_are_exact(values: list[float]) -> None:
    assert_exact(moments_of(values), values)


@given(st.lists(measured, min_size=1, max_size=6))
def test_merged_moments_are_exact(parts: list[list[float]]) -> None:
    merged = Moments()
    for part in parts:
        merged = merged.merge(moments_of(part))
    assert_exact(merged, [value for part in parts for value in part])


def test_a_small_spread_far_from_zero_survives_ten_thousand_merges() -> None:
    """Sums of squares would lose all of it: 1e9 squared has no digit left for 1."""
    rng = np.random.default_rng(1)
    values = 1e9 + rng.normal(size=20_000)
    merged = Moments()
    for part in np.array_split(values, 10_000):
        merged = merged.merge(Moments.of(part))
    assert merged.standard_deviation == pytest.approx(float(values.std()), rel=1e-6)


@given(measured)
def test_variance_is_that_of_the_population(values: list[float]) -> None:
    found = moments_of(values)
    assert found.variance == pytest.approx(statistics.pvariance(values), rel=1e-9, abs=1e-9)
    assert found.standard_deviation == pytest.approx(math.sqrt(found.variance or 0.0))


def test_nothing_has_no_spread() -> None:
    assert (Moments().variance, Moments().standard_deviation) == (None, None)


@given(strategies.streams_of_any, strategies.streams_of_any)
def test_any_finite_value_is_taken(ours: list[float], theirs: list[float]) -> None:
    """Powers may overflow; nothing raises, nothing warns, the count stands."""
    merged = moments_of(ours).merge(moments_of(theirs))
    assert merged.count == len(ours) + len(theirs)
    _: Any = merged.standard_deviation


@pytest.mark.parametrize(
    ("parts", "mean"),
    [
        (([1.5e308] * 4,), 1.5e308),
        (([1.5e308] * 2, [1.5e308] * 2), 1.5e308),
        (([1e308] * 2, [-1e308] * 2), 0.0),
        (([1.7e308] * 3, [-1.7e308]), 0.85e308),
    ],
)
def test_a_mean_of_huge_values_is_finite(parts: tuple[list[float], ...], mean: float) -> None:
    merged = Moments()
    for part in parts:
        merged = merged.merge(moments_of(part))
    assert merged.mean == pytest.approx(mean)
