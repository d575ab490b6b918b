"""With suppression, every reported number of a column stands for at least the required cells."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import feature_of

from nilometer.profile import FeatureProfile, FeatureSpec, ScoreProfile, pseudonym
from nilometer.profile.category import Dictionary
from nilometer.profile.numeric import Bounds, NumericProfile
from nilometer.sketch.tdigest import TDigest
from nilometer.wire.contents.feature import feature_from_bytes, feature_to_bytes

FEWEST = 20
EDGES = (0.0, math.nextafter(0.0, 1.0), 5.0, 100.0)
SPEC = FeatureSpec(bounds=Bounds(edges=EDGES, low=-10.0, high=1000.0))

# A few values that many cells share, beside others that few or no other has.
shared = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 7.5, -3.0]), st.integers(1, 60)), max_size=4)
alone = st.lists(st.floats(-1e6, 1e6), max_size=90)
cells = st.builds(
    lambda runs, others: [value for value, times in runs for _ in range(times)] + others,
    shared,
    alone,
).filter(bool)


def numbers_of(column: list[float]) -> NumericProfile:
    return feature_of(column, SPEC).numbers


@given(cells)
def test_every_number_told_stands_for_many_cells(column: list[float]) -> None:
    numbers = numbers_of(column)
    told = numbers.coarsened(FEWEST)
    means, weights, atoms = told.digest.centroids()
    assert (weights >= FEWEST).all()
    assert int(weights.sum()) == told.count
    assert 0 <= numbers.count - told.count < FEWEST
    if told.count:
        assert (told.digest.min, told.digest.max) == (means[0], means[-1])
        assert min(column) <= means[0] <= means[-1] <= max(column)
    for value, weight in zip(means[atoms].tolist(), weights[atoms].tolist(), strict=True):
        assert column.count(value) >= weight
    assert told.histogram is None or told.histogram.count == told.count


@given(cells)
def test_no_difference_of_what_is_told_is_of_few_cells(column: list[float]) -> None:
    """Values that are known exactly, taken away from any sum, leave nothing or many."""
    told = numbers_of(column).coarsened(FEWEST)
    means, weights, atoms = told.digest.centroids()
    known = dict(zip(means[atoms].tolist(), weights[atoms].tolist(), strict=True))
    rest = told.count - sum(known.values())
    assert rest == 0 or rest >= FEWEST
    assert told.zero == known.get(0.0, 0)
    if told.binned is not None:
        counts = dict(zip(pairwise(EDGES), told.binned.counts[1:-1], strict=True))
        assert counts[EDGES[0], EDGES[1]] == known.get(0.0, 0)
        assert told.binned.count == told.count


@given(cells)
def test_counts_on_public_edges_stay_true(column: list[float]) -> None:
    numbers = numbers_of(column)
    told = numbers.coarsened(FEWEST)
    withheld = numbers.count - told.count
    for before, after in (
        (numbers.negative, told.negative),
        (numbers.below_reference, told.below_reference),
        (numbers.above_reference, told.above_reference),
    ):
        assert before - withheld <= after <= before
    if told.count and not withheld:
        assert told.moments == numbers.moments
        assert numbers.binned is not None
        assert told.binned is not None
        assert told.binned.counts[3:] == numbers.binned.counts[3:]


@given(cells)
def test_telling_twice_tells_the_same(column: list[float]) -> None:
    once = feature_of(column, SPEC).coarsened(FEWEST)
    assert feature_to_bytes(once.coarsened(FEWEST)) == feature_to_bytes(once)


@given(st.lists(cells, min_size=1, max_size=4))
def test_parts_that_were_told_add_up_and_travel(parts: list[list[float]]) -> None:
    told = [feature_of(part, SPEC).coarsened(FEWEST) for part in parts]
    merged = FeatureProfile.merge_all(told)
    cells_given = sum(map(len, parts))
    assert merged.cells == cells_given
    assert merged.numbers.count + merged.suppressed_numbers == cells_given
    assert (merged.numbers.digest.centroids()[1] >= FEWEST).all()
    back = feature_from_bytes(feature_to_bytes(merged), {_id(merged): EDGES}.get)
    assert back.suppressed_numbers == merged.suppressed_numbers
    assert feature_to_bytes(back) == feature_to_bytes(merged)


def _id(feature: FeatureProfile) -> str:
    return "" if feature.numbers.binned is None else feature.numbers.binned.id


def test_one_value_beside_many_zeros_is_withheld_whole() -> None:
    """Its sum would be itself: the mean of all, and the count of zeros, would tell it."""
    feature = feature_of([0.0] * 999 + [555.25], SPEC).coarsened(FEWEST)
    numbers = feature.numbers
    assert (numbers.count, numbers.zero, feature.suppressed_numbers) == (999, 999, 1)
    assert (numbers.moments.mean, numbers.moments.m2, numbers.digest.max) == (0.0, 0.0, 0.0)
    assert feature.types == {"number": 1000}


def test_the_smallest_and_the_largest_are_told_by_their_mean() -> None:
    values = np.random.default_rng(3).lognormal(size=5000)
    digest = TDigest.of(values).coarsened(FEWEST)
    ordered = np.sort(values)
    assert digest.min is not None
    assert digest.max is not None
    assert ordered[:FEWEST].mean() <= digest.min <= ordered[: 2 * FEWEST].mean()
    assert ordered[-2 * FEWEST :].mean() <= digest.max <= ordered[-FEWEST:].mean()
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    found = np.searchsorted(ordered, digest.quantile(shares)) / ordered.size
    assert found == pytest.approx(shares, abs=0.002)


@pytest.mark.parametrize(("numbers", "tolerance"), [(400, 0.03), (2000, 0.01)])
def test_quantiles_of_parts_are_as_true_as_documented(numbers: int, tolerance: float) -> None:
    values = np.random.default_rng(1).lognormal(size=(15, numbers))
    digest = TDigest.merge_all(TDigest.of(part).coarsened(FEWEST) for part in values)
    ordered = np.sort(values.ravel())
    shares = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    found = np.searchsorted(ordered, digest.quantile(shares)) / ordered.size
    assert found == pytest.approx(shares, abs=tolerance)


def test_numbers_near_the_end_of_float64_stay_finite() -> None:
    digest = TDigest.of([1.7e308] * 10 + [1.6e308] * 15).coarsened(FEWEST)
    assert digest.count == 25
    assert digest.max is not None
    assert 1.6e308 <= digest.max <= 1.7e308


def test_few_numbers_are_withheld_and_counted_and_all_else_stays() -> None:
    cells: list[object] = [1.0, 2.0, math.nan, math.inf, None, "a", [1], True]
    feature = feature_of(cells)
    told = feature.coarsened(FEWEST)
    assert (told.count, told.suppressed_numbers) == (2, 2)  # categories have names of their own
    assert (told.cells, told.types, told.missing) == (feature.cells, feature.types, 1)
    assert (told.non_finite, told.numbers.histogram, told.distinct) == (2, None, None)
    assert told.scaled(2.0).suppressed_numbers == 4


def test_scores_are_told_by_the_middle_of_their_bin() -> None:
    profile = ScoreProfile((0.5,))
    profile.observe(np.array([0.1234567, 0.7654321, 0.7654321, 2.0]))
    profile.observe_matrix(np.array([[0.2, 0.8], [0.3, 0.7]]))
    told = profile.coarsened(FEWEST)
    assert (told.count, told.outside) == (profile.count, 1)
    assert told.by_predicted() == profile.by_predicted()
    assert (told.margin.count, told.entropy.count) == (0, 0)
    assert told.score.count == told.count
    assert told.score.mean == pytest.approx(profile.score.mean, abs=0.005)
    sums = np.concatenate([bins.sums for bins in told.classes.values()])
    assert not np.isin([0.1234567, 2 * 0.7654321], sums).any()


def test_names_that_nobody_published_become_pseudonyms() -> None:
    words = ["cash"] * 3 + ["secret"] * 2 + ["true"]
    spec = FeatureSpec(readable=True, dictionary=Dictionary(("cash",)))
    feature = feature_of(words, spec)
    hidden = pseudonym("secret", b"key")
    told = feature.masked(["cash"], b"key")
    assert told.categories.frequent.counts == {"cash": 3, hidden: 2, "true": 1}
    assert told.categories.dictionary == feature.categories.dictionary
    assert told.masked(["cash"], b"other") == told
    nameless = feature.masked(["cash"], b"").categories.frequent
    assert (nameless.counts, nameless.total) == ({"cash": 3, "true": 1}, 6)


def test_a_name_that_becomes_one_that_is_there_adds_to_it() -> None:
    once = feature_of(["secret"], FeatureSpec(key=b"key"))
    again = feature_of(["secret"], FeatureSpec(readable=True))
    both = FeatureProfile.merge_all([once, again]).masked((), b"key")
    assert both.categories.frequent.counts == {pseudonym("secret", b"key"): 2}
    assert dataclasses.replace(both, missing=1).cells == 3
