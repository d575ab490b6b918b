import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch import BinnedCounts
from nilometer.sketch.binned import edges_id, quantile_edges
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


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=64))
def test_a_value_that_fills_several_quantiles_has_a_bin_of_its_own(values: list[float]) -> None:
    quantiles = np.array([*sorted(values), math.nan, math.inf])
    edges = quantile_edges(quantiles)
    assert len(edges) <= len(values)
    assert list(edges) == sorted({*edges})
    assert {*values} <= {*edges}
    for value in set(values):
        assert (math.nextafter(value, math.inf) in edges) == (values.count(value) > 1)
