import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch import BinnedCounts
from nilometer.sketch.binned import edges_id, quantile_edges, single_values
from nilometer.values.errors import IncompatibleSketches


@given(strategies.streams, strategies.edges)
def test_a_value_equal_to_an_edge_goes_to_the_right(
    values: list[float], edges: tuple[float, ...]
) -> None:
    binned = BinnedCounts.of(np.array([*values, *edges]), edges)
    bounds = [-math.inf, *edges, math.inf]
    for low, high, count in zip(bounds, bounds[1:], binned.counts, strict=False):
        assert count == sum(low <= value < high for value in [*values, *edges])


def test_counts_on_different_edges_do_not_add() -> None:
    with pytest.raises(IncompatibleSketches, match="edges"):
        BinnedCounts((1.0,), (1, 2)).merge(BinnedCounts((2.0,), (1, 2)))


@pytest.mark.parametrize("counts", [(), (1,), (1, 2, 3)])
def test_counts_that_do_not_fit_their_edges_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 edges need 2 counts"):
        BinnedCounts((1.0,), counts)


@given(strategies.edges, strategies.edges)
def test_edges_have_one_name_each(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    assert (edges_id(ours) == edges_id(theirs)) == (ours == theirs)


@given(st.lists(st.integers(-5, 9).map(float), min_size=1, max_size=64))
def test_a_value_that_fills_several_quantiles_has_a_bin_of_its_own(values: list[float]) -> None:
    quantiles = np.array([*sorted(values), math.nan, math.inf])
    edges = quantile_edges(quantiles)
    assert len(edges) <= len(values)
    assert list(edges) == sorted({*edges})
    counts = BinnedCounts.of(np.array(values), edges).counts
    single = [False, *single_values(edges), False] if edges else [False]
    for value in set(values):
        at = int(np.searchsorted(edges, value, "right"))
        if values.count(value) > 1:
            assert single[at]
            assert counts[at] == values.count(value)


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
    st.lists(st.integers(1, 5), min_size=40, max_size=40),
)
def test_a_value_in_float32_stays_in_its_bin(values: list[float], times: list[int]) -> None:
    """Unless another quantile is as close as that."""
    column = np.repeat(values, times[: len(values)])
    edges = np.array(quantile_edges(np.sort(column)))
    with np.errstate(over="ignore", under="ignore"):
        moved = np.array(values) * (1 + 2.0**-24)
    known = np.unique(values)
    with np.errstate(over="ignore"):
        gaps = np.diff(known)
    for value, near in zip(values, moved.tolist(), strict=True):
        at = int(np.searchsorted(known, value))
        beside = [*gaps[max(at - 1, 0) : at], *gaps[at : at + 1]]
        if all(gap > 8 * abs(near - value) for gap in beside):
            assert np.searchsorted(edges, near, "right") == np.searchsorted(edges, value, "right")


@pytest.mark.parametrize(
    "quantiles",
    [[-1.7e308, 1.7e308], [1.7e308] * 3, [5e-324, 5e-324], [0.0, 5e-324, 5e-324], [-0.0, 0.0]],
)
def test_edges_at_the_ends_of_floats_are_finite_and_ascend(quantiles: list[float]) -> None:
    edges = quantile_edges(np.array(quantiles))
    assert edges
    assert all(map(math.isfinite, edges))
    assert list(edges) == sorted({*edges})


def test_bins_of_older_references_hold_single_values_too() -> None:
    """Their edges are a value and the next float."""
    assert single_values([0.0, math.nextafter(0.0, 1.0), 5.0, 6.0]).tolist() == [True, False, False]
