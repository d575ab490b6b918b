import itertools
import math
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

from nilometer.profile import FeatureProfile, FeatureSpec, masked
from nilometer.profile.feature import MASK_PREFIX, MAX_NAME_CHARACTERS

NAN, INF = math.nan, math.inf


class Grade(IntEnum):
    GOOD = 1


class Name(str):
    __slots__ = ()


def observed(*cells: Any, spec: FeatureSpec | None = None) -> FeatureProfile:
    return strategies.feature_of(list(cells), spec)


def assert_accounted(feature: FeatureProfile, cells: int) -> None:
    """Nothing is lost without a count."""
    types = feature.types
    assert feature.cells == sum(types.values()) + feature.missing == cells
    assert feature.numbers.moments.count + feature.non_finite == types.get("number", 0)
    assert (
        feature.numbers.digest.count
        == feature.numbers.histogram.count
        == feature.numbers.moments.count
    )
    assert feature.categories.total == types.get("string", 0) + types.get("boolean", 0)
    assert set(types) <= {"number", "string", "boolean", "list", "object"}
    assert all(count > 0 for count in types.values())


@given(strategies.columns, strategies.specs)
@example([Decimal("sNaN")], FeatureSpec())
@example([np.longdouble("1.5"), np.clongdouble(1)], FeatureSpec())
@example([np.timedelta64(5, "s"), np.datetime64(1, "ns"), np.ma.masked], FeatureSpec())
@example([range(3), memoryview(b"x"), Fraction(1, 3), Grade.GOOD, Name("n")], FeatureSpec())
def test_any_column_is_accounted_for_to_the_cell(column: list[Any], spec: FeatureSpec) -> None:
    assert_accounted(observed(*column, spec=spec), len(column))


@given(st.lists(strategies.columns, max_size=4), strategies.specs, st.randoms())
def test_batches_of_any_columns_add_up(
    batches: list[list[Any]], spec: FeatureSpec, random: Any
) -> None:
    running, parts = FeatureProfile(spec=spec), []
    for batch in batches:
        running.observe(batch)
        parts.append(observed(*batch, spec=spec))
    random.shuffle(parts)
    cells = sum(len(batch) for batch in batches)
    for feature in (running, FeatureProfile.merge_all(parts)):
        assert_accounted(feature, cells)


def _where(position: int, bad: Any) -> list[Any]:
    cells: list[Any] = [1.0, 2.0, 3.0, 4.0]
    cells.insert(position, bad)
    return cells


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        (NAN, "nan"),
        (np.float64(NAN), "nan"),
        (Decimal("NaN"), "nan"),
        (Decimal("sNaN"), "nan"),
        (INF, "positive_infinity"),
        (-INF, "negative_infinity"),
        (Decimal("Infinity"), "positive_infinity"),
        (Decimal("-1e400"), "negative_infinity"),
        (10**400, "positive_infinity"),
        (-(10**400), "negative_infinity"),
        (None, "missing"),
        (np.datetime64("NaT"), "missing"),
        (True, "boolean"),
        (np.bool_(False), "boolean"),  # noqa: FBT003  # a value
        ("text", "string"),
        ([1.0], "list"),
        ((1.0,), "list"),
        (np.array([1.0]), "list"),
        ({"a": 1}, "object"),
        (object(), "object"),
        (1j, "object"),
    ],
    ids=repr,
)
def test_a_bad_cell_goes_to_its_own_counter_and_spoils_no_number(
    bad: Any, counted: str, position: int
) -> None:
    feature = observed(*_where(position, bad))
    assert feature.types.get(counted, getattr(feature, counted, None)) == 1
    assert (feature.numbers.moments.count, feature.numbers.moments.mean) == (4, 2.5)
    assert (feature.numbers.digest.min, feature.numbers.digest.max) == (1.0, 4.0)
    assert_accounted(feature, 5)


@pytest.mark.parametrize(
    "number",
    [5e-324, -5e-324, 1e308, -1e308, 1.7976931348623157e308, -0.0, 0.0, 2**1000, -(2**70)],
)
def test_a_finite_number_is_a_number_however_extreme(number: float) -> None:
    feature = observed(number, number, 1.0)
    assert feature.numbers.moments.count == 3
    assert feature.numbers.digest.min == min(number, 1.0)
    assert feature.numbers.digest.max == max(number, 1.0)
    assert feature.non_finite == 0


@pytest.mark.parametrize(
    "scalar",
    [np.float32(2), np.int16(2), np.uint64(2), np.float16(2), np.longdouble(2), Decimal(2)],
    ids=lambda scalar: type(scalar).__name__,
)
def test_numbers_of_other_libraries_are_numbers(scalar: Any) -> None:
    feature = observed(scalar, 2, 2.0)
    assert (feature.types, feature.numbers.moments.count, feature.numbers.moments.mean) == (
        {"number": 3},
        3,
        2.0,
    )


def test_bytes_are_counted_and_never_shown() -> None:
    feature = observed(b"secret", bytearray(b"secret"))
    assert feature.cells == 2
    assert feature.categories.total == 0


def test_an_empty_column_is_empty() -> None:
    feature = observed()
    assert (feature.cells, feature.count, feature.data_type) == (0, 0, "empty")


def test_a_column_of_nothing_has_no_type_and_counts_its_cells() -> None:
    feature = observed(*[None] * 50)
    assert (feature.cells, feature.missing, feature.data_type) == (50, 50, "empty")
    assert feature.distinct is None


def test_cells_that_a_decoder_did_not_find_are_missing() -> None:
    feature = observed(1.0)
    feature.observe_missing(3)
    assert (feature.missing, feature.cells) == (3, 4)


@pytest.mark.parametrize(
    ("numbers", "strings", "expected"),
    [
        (10, 0, "number"),
        (0, 10, "category"),
        (100, 10, "number"),
        (100, 11, "mixed"),
        (10, 100, "category"),
        (11, 100, "mixed"),
    ],
)
def test_a_column_is_mixed_when_more_than_a_tenth_is_of_the_other_kind(
    numbers: int, strings: int, expected: str
) -> None:
    assert observed(*[1.5] * numbers, *["a"] * strings).data_type == expected


@given(strategies.words)
def test_names_nobody_published_are_masked(words: list[str]) -> None:
    feature = observed(*words)
    assert all(name.startswith(MASK_PREFIX) for name in feature.categories.counts)
    assert not set(words) & set(feature.categories.counts)


@given(strategies.words)
def test_masking_keeps_equal_names_equal_and_others_apart(words: list[str]) -> None:
    wide = set(words[:40])
    assert len({masked(word) for word in wide}) == len(wide)
    feature = observed(*words[:40])
    assert sum(feature.categories.counts.values()) == len(words[:40])
    for word in wide:
        assert feature.categories.counts[masked(word)] == words[:40].count(word)


def test_a_mask_is_the_same_in_every_process() -> None:
    """Pinned: windows and references that are stored hold it."""
    assert masked("fraud") == "~5ca89a01324c"


def test_known_names_stay_readable_and_the_others_do_not() -> None:
    feature = observed(
        "cash", "card", "stolen", spec=FeatureSpec(known=frozenset({"cash", "card"}))
    )
    assert feature.categories.counts == {"cash": 1, "card": 1, masked("stolen"): 1}


def test_a_readable_column_shows_names_but_no_text() -> None:
    text = "x" * (MAX_NAME_CHARACTERS + 1)
    feature = observed("cash", text, spec=FeatureSpec(readable=True))
    assert feature.categories.counts == {"cash": 1, masked(text): 1}


def test_booleans_need_no_mask() -> None:
    assert observed(*[True, False, True]).categories.counts == {"true": 2, "false": 1}


@given(strategies.streams, st.lists(strategies.columns, max_size=3))
def test_bins_count_every_finite_number_or_are_absent(
    numbers: list[float], more: list[list[Any]]
) -> None:
    """Also where a part without bins came in between: half a count would pass for exact."""
    edges = (-1.0, 0.0, 1e300)
    feature = observed(*numbers, spec=FeatureSpec(edges=edges))
    for cells in more:
        feature = feature.merge(observed(*cells))
        feature.observe([1.0, 2.0])
        if feature.numbers.binned is not None:
            assert feature.numbers.binned.count == feature.numbers.moments.count


def test_bins_of_different_references_do_not_add() -> None:
    ours = observed(1.0, spec=FeatureSpec(edges=(0.0,)))
    theirs = observed(2.0, spec=FeatureSpec(edges=(5.0,)))
    merged = ours.merge(theirs)
    assert merged.numbers.binned is None
    assert merged.numbers.moments.count == 2


def test_a_part_without_numbers_takes_no_bins_away() -> None:
    ours = observed(1.0, spec=FeatureSpec(edges=(0.0,)))
    merged = ours.merge(observed(None, "a"))
    assert merged.numbers.binned is not None
    assert merged.numbers.binned.counts == (0, 1)


def test_heavy_hitters_do_not_depend_on_the_order_of_the_parts() -> None:
    """More names than are kept, parts without a number: nothing but the names tells them apart."""
    rng = np.random.default_rng(8)
    spec = FeatureSpec(readable=True)
    parts = [
        observed(*(f"name-{rank}" for rank in rng.zipf(1.3, 400) % 500), spec=spec)
        for _ in range(4)
    ]
    kept = []
    for order in itertools.permutations(parts):
        categories = FeatureProfile.merge_all(order).categories
        kept.append((dict(categories.counts), dict(categories.errors)))
    assert all(one == kept[0] for one in kept)


def test_distinct_values_are_counted_unless_told_not_to() -> None:
    cells = [1.0, 2.0, 2.0, "a", "b", "b"]
    counted = observed(*cells).distinct
    assert counted is not None
    assert round(counted.estimate) == 4
    assert observed(*cells, spec=FeatureSpec(distinct=False)).distinct is None


def test_merging_no_profiles_gives_an_empty_one() -> None:
    assert FeatureProfile.merge_all([]).cells == 0
