import itertools
import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import strategies

from nilometer.profile import (
    Bounds,
    Dictionary,
    FeatureProfile,
    FeatureRecorder,
    FeatureSpec,
    pseudonym,
)
from nilometer.profile.category import MASK_PREFIX, MAX_NAME_CHARACTERS, NULL_LIKE
from nilometer.sketch.hashing import hash_strings

KEY = b"a key of this installation"
KINDS = {"number", "string", "boolean", "timestamp", "bytes", "list", "object"}
KEYED = FeatureSpec(key=KEY)

NAN, INF = math.nan, math.inf


class Grade(IntEnum):
    GOOD = 1


class Shade(Enum):
    DARK = "dark"


class Name(str):
    __slots__ = ()


def observed(*cells: Any, spec: FeatureSpec | None = None) -> FeatureProfile:
    return strategies.feature_of(list(cells), spec)


def assert_accounted(feature: FeatureProfile, cells: int) -> None:
    """Nothing is lost without a count."""
    types = feature.types
    assert feature.cells == sum(types.values()) + feature.missing == cells
    assert feature.numbers.moments.count + feature.non_finite == types.get("number", 0)
    numbers = feature.numbers
    assert numbers.digest.count == numbers.count
    assert (numbers.histogram is not None) == (numbers.count > 0)
    for counts in (numbers.histogram, numbers.binned):
        assert counts is None or counts.count == numbers.count
    strings = types.get("string", 0) + types.get("boolean", 0)
    assert feature.categories.total + feature.null_like == strings
    known = feature.categories.dictionary
    assert known is None or known.total == feature.categories.total
    assert set(types) <= KINDS
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
    running, parts = FeatureRecorder(spec), []
    for batch in batches:
        running.observe(batch)
        parts.append(observed(*batch, spec=spec))
    random.shuffle(parts)
    cells = sum(len(batch) for batch in batches)
    for feature in (running.profile(), FeatureProfile.merge_all(parts)):
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
        (b"raw", "bytes"),
        (datetime(2026, 1, 2, tzinfo=UTC), "timestamp"),
        (np.datetime64(1, "s"), "timestamp"),
        (UUID(int=7), "string"),
        (Shade.DARK, "string"),
        ([1.0], "list"),
        ((1.0,), "list"),
        (np.array([1.0]), "list"),
        ({"a": 1}, "object"),
        (object(), "object"),
        (1j, "object"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_bad_cell_goes_to_its_own_counter_and_spoils_no_number(
    bad: Any, counted: str, position: int
) -> None:
    feature = observed(*_where(position, bad))
    found = getattr(feature, counted, getattr(feature.numbers, counted, None))
    assert feature.types.get(counted, found) == 1
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
    recorder = FeatureRecorder()
    recorder.observe([1.0])
    recorder.observe_missing(3)
    feature = recorder.profile()
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
def test_names_nobody_published_become_pseudonyms_under_a_key(words: list[str]) -> None:
    feature = observed(*words, spec=KEYED)
    kept = {pseudonym(word, KEY) for word in words}
    assert set(feature.categories.frequent.counts) <= kept
    assert all(name.startswith(MASK_PREFIX) for name in kept)


@given(strategies.words)
def test_without_a_key_they_are_counted_and_not_kept(words: list[str]) -> None:
    feature = observed(*words)
    assert feature.categories.frequent.counts == {}
    assert feature.categories.total == len(words)


@given(strategies.words)
def test_pseudonyms_keep_equal_names_equal_and_others_apart(words: list[str]) -> None:
    wide = set(words[:40])
    assert len({pseudonym(word, KEY) for word in wide}) == len(wide)
    counts = observed(*words[:40], spec=KEYED).categories.frequent.counts
    assert sum(counts.values()) == len(words[:40])
    for word in wide:
        assert counts[pseudonym(word, KEY)] == words[:40].count(word)


def test_a_pseudonym_is_that_of_its_key_in_every_process() -> None:
    """Pinned: windows and references that are stored hold it."""
    assert pseudonym("fraud", KEY) == "~cb6ae606f76e"
    assert pseudonym("fraud", b"another") != pseudonym("fraud", KEY)


DICTIONARY = Dictionary(("card", "cash"), tuple(sorted(hash_strings(["cheque"]).tolist())))


def test_a_dictionary_counts_its_names_the_others_and_what_is_new() -> None:
    spec = FeatureSpec(dictionary=DICTIONARY, key=KEY)
    feature = observed("cash", "card", "stolen", "cheque", "cash", spec=spec)
    known = feature.categories.dictionary
    assert known is not None
    assert (known.counts, known.other, known.unseen) == ((1, 2), 1, 1)
    names = {"cash", "card", pseudonym("stolen", KEY), pseudonym("cheque", KEY)}
    assert set(feature.categories.frequent.counts) == names


def test_what_an_incomplete_dictionary_lacks_is_other() -> None:
    spec = FeatureSpec(dictionary=Dictionary(("card",), complete=False))
    known = observed("cash", "card", spec=spec).categories.dictionary
    assert known is not None
    assert (known.counts, known.other, known.unseen) == ((1,), 1, 0)


@pytest.mark.parametrize("word", sorted(NULL_LIKE))
def test_strings_that_stand_for_nothing_are_no_categories(word: str) -> None:
    feature = observed("a", word, word)
    assert (feature.null_like, feature.categories.total, feature.types) == (2, 1, {"string": 3})
    named = observed("a", word, spec=FeatureSpec(dictionary=Dictionary((word,))))
    assert (named.null_like, named.categories.total) == (0, 2)


def test_cells_of_another_type_than_expected_are_errors_by_type() -> None:
    spec = FeatureSpec(expected="number")
    feature = observed(*[1.0, "1.0", "x", True, None], spec=spec)
    assert feature.type_errors == {"string": 2, "boolean": 1}
    assert observed(1.0, "x").type_errors == {}


def test_zeros_negatives_and_what_the_reference_never_had_are_counted() -> None:
    spec = FeatureSpec(bounds=Bounds(edges=(0.0, 2.0), low=-1.0, high=3.0))
    numbers = observed(-2.0, -1.0, -0.0, 0.0, 2.0, 3.0, 3.5, spec=spec).numbers
    assert (numbers.negative, numbers.zero) == (2, 2)
    assert (numbers.below_reference, numbers.above_reference) == (1, 1)
    assert numbers.binned is not None
    assert numbers.binned.counts == (2, 2, 3)


def test_few_observations_take_their_pseudonym_along_and_stay_in_the_total() -> None:
    spec = FeatureSpec(dictionary=Dictionary(("cash",)), key=KEY)
    feature = observed(*["often"] * 5, "once", "cash", spec=spec)
    kept = feature.suppressed(5)
    assert set(kept.categories.frequent.counts) == {pseudonym("often", KEY), "cash"}
    assert kept.categories.total == feature.categories.total == 7
    assert kept.categories.dictionary == feature.categories.dictionary


def test_a_readable_column_shows_names_but_no_text() -> None:
    text = "x" * (MAX_NAME_CHARACTERS + 1)
    feature = observed("cash", text, spec=FeatureSpec(readable=True, key=KEY))
    assert feature.categories.frequent.counts == {"cash": 1, pseudonym(text, KEY): 1}


def test_booleans_are_published_names() -> None:
    assert observed(*[True, False, True]).categories.frequent.counts == {"true": 2, "false": 1}


@given(strategies.streams, strategies.columns)
def test_bins_count_every_finite_number_or_are_absent(
    numbers: list[float], more: list[Any]
) -> None:
    """Also where a part without bins came in between: half a count would pass for exact."""
    spec = FeatureSpec(bounds=Bounds(edges=(-1.0, 0.0, 1e300)))
    feature = observed(*numbers, spec=spec).merge(observed(*more))
    feature = feature.merge(observed(1.0, 2.0, spec=spec))
    for counts in (feature.numbers.binned, feature.numbers.histogram):
        assert counts is None or counts.count == feature.numbers.count


def test_bins_of_different_references_do_not_add() -> None:
    ours = observed(1.0, spec=FeatureSpec(bounds=Bounds(edges=(0.0,))))
    theirs = observed(2.0, spec=FeatureSpec(bounds=Bounds(edges=(5.0,))))
    merged = ours.merge(theirs)
    assert merged.numbers.binned is None
    assert merged.numbers.moments.count == 2


def test_a_part_without_numbers_takes_no_bins_away() -> None:
    ours = observed(1.0, spec=FeatureSpec(bounds=Bounds(edges=(0.0,))))
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
        kept.append((dict(categories.frequent.counts), dict(categories.frequent.errors)))
    assert all(one == kept[0] for one in kept)


def test_distinct_values_are_counted_unless_told_not_to() -> None:
    cells = [1.0, 2.0, 2.0, "a", "b", "b"]
    counted = observed(*cells).distinct
    assert counted is not None
    assert round(counted.estimate) == 2
    numbers = observed(*cells, spec=FeatureSpec(distinct_numbers=True)).distinct
    assert numbers is not None
    assert round(numbers.estimate) == 4
    assert observed(*cells, spec=FeatureSpec(distinct=False)).distinct is None


def test_merging_no_profiles_gives_an_empty_one() -> None:
    assert FeatureProfile.merge_all([]).cells == 0
