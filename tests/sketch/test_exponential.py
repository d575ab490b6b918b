import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import oracles, strategies

from nilometer.sketch import ExponentialHistogram
from nilometer.sketch.exponential import MAX_BUCKETS, MAX_SCALE, MIN_SCALE, _downscaled, _index

SCALES = range(MIN_SCALE, MAX_SCALE + 1)
LOG2_ULPS = 4e-16  # what a logarithm of a mantissa may be off

positive = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)


def histogram_of(*values: float) -> ExponentialHistogram:
    return ExponentialHistogram.of(np.array(values, dtype=np.float64))


@given(positive, st.sampled_from(SCALES))
def test_a_bucket_holds_what_lies_above_its_lower_and_up_to_its_upper_bound(
    value: float, scale: int
) -> None:
    assert oracles.bucket_holds(value, _index(value, scale), scale, LOG2_ULPS)


@given(st.integers(-1074, 1023), st.sampled_from(SCALES))
def test_a_power_of_two_stands_on_the_upper_bound_of_its_bucket(power: int, scale: int) -> None:
    value = math.ldexp(1.0, power)
    index = _index(value, scale)
    assert oracles.bucket_holds(value, index, scale, 0.0)
    if scale >= 0:
        assert index == (power << scale) - 1
    if power < 1023:
        assert _index(math.nextafter(value, math.inf), scale) >= index
        assert _index(math.nextafter(value, math.inf), 0) == power


@given(positive, st.integers(1, 22), st.sampled_from(SCALES))
def test_halving_the_scale_joins_neighbours_exactly(value: float, steps: int, scale: int) -> None:
    assume(scale - steps >= MIN_SCALE)
    assert _index(value, scale - steps) == _index(value, scale) >> steps


@given(
    st.integers(-5000, 5000),
    st.lists(st.integers(0, 9), min_size=1, max_size=200),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_downscaling_loses_no_observation(
    offset: int, counts: list[int], first: int, second: int
) -> None:
    start, coarse = _downscaled(offset, np.array(counts), first + second)
    twice, again = _downscaled(*_downscaled(offset, np.array(counts), first), second)
    assert (start, coarse.tolist()) == (twice, again.tolist())
    for position, count in enumerate(coarse.tolist(), start):
        finer = range(position << (first + second), (position + 1) << (first + second))
        inside = (counts[i - offset] for i in finer if 0 <= i - offset < len(counts))
        assert count == sum(inside)


@given(strategies.streams_of_any)
def test_the_scale_falls_until_a_side_fits_and_no_further(values: list[float]) -> None:
    histogram = histogram_of(*values)
    sides = (histogram.positive, histogram.negative)
    assert max(len(side.counts) for side in sides) <= MAX_BUCKETS
    if histogram.scale < MAX_SCALE:
        finer = histogram.scale + 1
        magnitudes = ([v for v in values if v > 0], [-v for v in values if v < 0])
        assert any(
            _index(max(side), finer) - _index(min(side), finer) >= MAX_BUCKETS
            for side in magnitudes
            if side
        )


@pytest.mark.parametrize(("buckets", "scale"), [(160, MAX_SCALE), (161, MAX_SCALE - 1)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_side_holds_160_buckets_and_not_one_more(buckets: int, scale: int, sign: float) -> None:
    low, high = (sign * 2.0 ** ((index + 0.5) / (1 << MAX_SCALE)) for index in (0, buckets - 1))
    assert histogram_of(low, high).scale == scale
    assert histogram_of(low).merge(histogram_of(high)).scale == scale


@given(strategies.streams_of_any)
def test_every_observation_is_in_one_bucket_of_its_side(values: list[float]) -> None:
    histogram = histogram_of(*values)
    assert histogram.count == len(values)
    assert histogram.zero_count == sum(value == 0 for value in values)
    assert histogram.positive.total == sum(value > 0 for value in values)
    assert histogram.negative.total == sum(value < 0 for value in values)


@given(strategies.measurements)
def test_the_negative_side_mirrors_the_positive(values: list[float]) -> None:
    ours, mirrored = histogram_of(*values), histogram_of(*(-value for value in values))
    assert (ours.positive, ours.negative) == (mirrored.negative, mirrored.positive)
    assert (ours.scale, ours.zero_count) == (mirrored.scale, mirrored.zero_count)


# Each merge is quick only where both scales are small: see the test of memory below.
wide = st.sampled_from([1e-300, 5e-324, 1e-3, 1.0, 2.0, 1e6, 1.7976931348623157e308])


@given(st.lists(wide | wide.map(float.__neg__), min_size=8, max_size=40), st.data())
def test_parts_of_any_magnitude_add_up_to_the_whole(
    values: list[float], data: st.DataObject
) -> None:
    parts = [[*values, 5e-324, 1e308], *([value] for value in values)]
    merged = ExponentialHistogram()
    shuffled = data.draw(st.permutations(parts[1:]))
    for part in (parts[0], *shuffled):
        merged = merged.merge(histogram_of(*part))
    assert merged == histogram_of(*(value for part in parts for value in part))


def test_merging_magnitudes_far_apart_allocates_no_more_than_the_result_needs() -> None:
    """Two single values a billion apart: the buckets between them are never laid out."""
    small, large = histogram_of(1e-3), histogram_of(1e6)
    tracemalloc.start()
    try:
        merged = small.merge(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert merged == histogram_of(1e-3, 1e6)
    assert peak < 100_000  # bytes; laid out at the finest scale they would be 120,000 integers


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_one_bucket(values: list[float], q: float) -> None:
    histogram = histogram_of(*values)
    ordered = sorted(values)
    exact = ordered[max(math.ceil(q * len(values)) - 1, 0)]
    found = histogram.quantile(q)
    assert found is not None
    assert exact / histogram.base <= found <= exact * histogram.base


def test_quantiles_run_from_the_negative_over_zero_to_the_positive() -> None:
    histogram = histogram_of(-8.0, -8.0, 0.0, 0.0, 4.0, 4.0)
    found = [histogram.quantile(q) for q in (0.0, 0.3, 0.5, 0.9, 1.0)]
    assert found == [pytest.approx(value, rel=0.02) for value in (-8.0, -8.0, 0.0, 4.0, 4.0)]


def test_an_empty_histogram_has_no_quantile() -> None:
    assert ExponentialHistogram().quantile(0.5) is None


def test_observations_above_a_value_are_counted_by_bucket() -> None:
    histogram = ExponentialHistogram.of(np.array([-4.0, -1.0, 0.0, 1.0, 4.0, 16.0]), scale=0)
    assert [histogram.count_above(value) for value in (-5.0, -2.0, -0.1, 0.0, 2.0, 100.0)] == [
        6, 5, 4, 3, 2, 0,
    ]  # fmt: skip
