"""Sums of a value by bin of a feature are exact, and small groups of rows stay hidden."""

import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile.bin_sums import (
    MAX_UNITS,
    BinSums,
    Rounded,
    SumKey,
    means,
    merged_sums,
    variance_within,
)
from nilometer.profile.category import Dictionary
from nilometer.profile.cell_bins import CellBins
from nilometer.profile.feature import Cell

EDGES = (-1.0, 0.0, 2.5)
BITS = 10
CELLS = CellBins(EDGES, Dictionary(("cash", "card")))
FEWEST = 20

cells = st.sampled_from(
    [None, -5.0, -1.0, 0.0, 2.5, 7, "cash", "card", "other", "n/a", True, math.nan, [1], 10**400]
)
values = st.floats(-1e5, 1e5) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300])
rows = st.lists(st.tuples(cells, values), max_size=40)


def sums_of(
    rows: Sequence[tuple[Cell, float]], bits: int = BITS, *, public: bool = False
) -> BinSums:
    predictions = np.array([value for _, value in rows], np.float64)
    rounded = Rounded.of(predictions, bits, is_public=public)
    return BinSums.of(CELLS.bins, CELLS.places([cell for cell, _ in rows]), rounded)


@given(st.lists(rows, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_no_order_and_no_division_changes_a_bit(
    parts: list[list[tuple[Cell, float]]], order: random.Random
) -> None:
    whole = [row for part in parts for row in part]
    order.shuffle(whole)
    key = SumKey("output.score", CELLS.bins)
    shuffled = [{key: sums_of(part)} for part in parts]
    order.shuffle(shuffled)
    assert merged_sums(shuffled) == {key: sums_of(whole)}


@given(rows)
def test_each_sum_is_that_of_the_rounded_values(rows: list[tuple[Cell, float]]) -> None:
    sums = sums_of(rows)
    places = CELLS.places([cell for cell, _ in rows]).tolist()
    exact: dict[int, list[int]] = {}
    for place, (_, value) in zip(places, rows, strict=True):
        if math.isfinite(value) and abs(round(Fraction(value) * 2**BITS)) <= MAX_UNITS:
            exact.setdefault(place, []).append(round(Fraction(value) * 2**BITS))
    for at in range(CELLS.bins.size):
        assert (sums.counts[at], sums.sums[at]) == (len(exact.get(at, ())), sum(exact.get(at, ())))
    assert sums.squares == sum(unit**2 for units in exact.values() for unit in units)
    assert sums.left_out == len(rows) - sums.rows


def test_every_cell_has_one_bin() -> None:
    found = CELLS.places(
        [-5.0, -1.0, 0.0, 2.5, 7, "cash", "card", "unknown", None, math.nan, "N/A", [1], 10**400]
    )
    bins = CELLS.bins
    assert found.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, *[bins.missing] * 1, *[bins.unusable] * 4]
    assert bins.size == 4 + 3 + 3


@given(st.lists(st.floats(), max_size=30))
def test_an_array_has_the_bins_of_its_cells(numbers: list[float]) -> None:
    mixed: list[Cell] = [*numbers, None]
    array = CELLS.places(np.array(numbers, np.float64))
    assert array.tolist() == CELLS.places(mixed).tolist()[:-1]


def test_units_of_two_outputs_merge_in_the_finer_one() -> None:
    coarse, fine = sums_of([(0.0, 1.5)], bits=1), sums_of([(0.0, 0.25)], bits=4)
    both = coarse.merge(fine)
    assert both == fine.merge(coarse)
    assert both.bits == 4
    assert means(both)[2] == (1.5 + 0.25) / 2


def test_a_value_beyond_the_range_is_left_out_and_counted() -> None:
    sums = sums_of([(0.0, 1.0), (0.0, 1e9), (0.0, math.nan), (0.0, -math.inf)])
    assert (sums.rows, sums.left_out) == (1, 3)


def test_the_variance_within_the_bins_is_that_of_the_values() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.normal(1e5, 3.0, 500)
    cell = rng.choice([-5.0, -0.5, 7.0], 500)
    sums = sums_of([*zip(cell.tolist(), numbers.tolist(), strict=True)])
    within = sum(numbers[cell == one].var() * (cell == one).mean() for one in (-5.0, -0.5, 7.0))
    assert variance_within(sums) == pytest.approx(within, rel=1e-3)


@given(st.lists(st.tuples(cells, st.integers(1, 30)), max_size=12))
def test_no_bin_that_is_disclosed_has_few_rows(runs: list[tuple[Cell, int]]) -> None:
    sums = sums_of([(cell, 0.5) for cell, times in runs for _ in range(times)], public=True)
    told = sums.coarsened(FEWEST)
    if told is None:
        assert 0 < sums.rows < FEWEST
        return
    assert all(count == 0 or count >= FEWEST for count in told.counts)
    assert (told.rows, sum(told.sums)) == (sums.rows, sum(sums.sums))
    assert told.coarsened(FEWEST) == told


def test_sums_of_single_values_are_not_disclosed() -> None:
    many = [(0.0, 0.5)] * 100
    assert sums_of(many, public=True).coarsened(FEWEST) is not None
    assert sums_of(many).coarsened(FEWEST) is None
    # The total of the output and this total would differ by one value.
    assert sums_of([*many, (0.0, math.nan)], public=True).coarsened(FEWEST) is None


@given(rows, st.integers(1, 7))
def test_a_scaled_sum_keeps_its_means(rows: list[tuple[Cell, float]], factor: int) -> None:
    sums = sums_of(rows)
    scaled = sums.scaled(float(factor))
    assert scaled.counts == tuple(factor * count for count in sums.counts)
    np.testing.assert_allclose(means(scaled), means(sums), rtol=1e-12)


def test_many_numbers_have_the_bins_of_a_search() -> None:
    rng = np.random.default_rng(6)
    numbers = rng.normal(0.0, 2.0, 9000)
    numbers[::100] = rng.choice([*EDGES, math.nan, math.inf, -math.inf, -0.0], 90)
    few = [CELLS.places(part) for part in np.array_split(numbers, 9)]
    np.testing.assert_array_equal(CELLS.places(numbers), np.concatenate(few))
