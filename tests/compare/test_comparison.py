from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles, strategies

from nilometer.compare import (
    COMPARATORS,
    KS,
    PSI,
    Comparator,
    Comparison,
    Counted,
    Fewest,
    NoDistance,
    NotCompared,
    common_bins,
    compare,
    compare_by,
    exact_reference_column,
    reference_column,
)
from nilometer.compare.ks import kolmogorov_smirnov
from nilometer.compare.psi import psi_noise
from nilometer.profile import Bounds, FeatureProfile, FeatureSpec
from nilometer.profile.reference import INPUT_BINS, ReferenceColumn

READABLE = FeatureSpec(readable=True)
# Those that compare the shapes of numbers: the others are for rates and categories.
OF_COLUMNS = [one for one in COMPARATORS.values() if one.counted is not Counted.VECTORS]
OF_BINS = [one for one in OF_COLUMNS if not one.name.endswith("_change")]
FAR = {"cramer_von_mises": 0.15}  # smaller than other distances by definition


def observed(values: list[Any], spec: FeatureSpec | None = None) -> FeatureProfile:
    return strategies.feature_of(values, spec)


def exact_reference(values: list[Any], bins: int = INPUT_BINS) -> ReferenceColumn:
    numbers = np.array([value for value in values if isinstance(value, float)])
    return exact_reference_column(observed(values, READABLE), numbers, bins)


def on_edges(values: list[Any], reference: ReferenceColumn) -> FeatureProfile:
    return observed(values, FeatureSpec(bounds=reference.bounds))


def distance(comparator: Comparator, reference: ReferenceColumn, current: FeatureProfile) -> float:
    return compared(comparator, reference, current).value


def compared(
    comparator: Comparator, reference: ReferenceColumn, current: FeatureProfile
) -> Comparison:
    comparison = compare(comparator, reference, current)
    assert isinstance(comparison, Comparison), comparison
    return comparison


def ks_of_bins(reference: ReferenceColumn, current: FeatureProfile) -> float:
    """The distance at any number of values."""
    bins = common_bins(reference, current)
    assert bins is not None
    return kolmogorov_smirnov(bins.reference, bins.current)


@given(
    st.lists(st.integers(0, 6).map(float), min_size=1, max_size=60),
    st.lists(st.integers(-3, 10).map(float), min_size=1, max_size=60),
)
def test_ks_of_integers_is_exact_while_every_value_has_an_edge(
    few: list[float], current: list[float]
) -> None:
    """Values that the reference holds in equal shares each get an edge of their own."""
    past = sorted(set(few)) * 5
    reference = exact_reference(past)
    now = [value for value in current if value in past or value < min(past) or value > max(past)]
    if not now:
        return
    found = ks_of_bins(reference, on_edges(now, reference))
    assert found == pytest.approx(oracles.ks(past, now), abs=1e-12)


@given(
    st.lists(st.integers(0, 300).map(float), min_size=1), st.lists(st.floats(-50, 350), min_size=1)
)
def test_ks_is_never_above_the_exact_one(past: list[float], now: list[float]) -> None:
    reference = exact_reference(past)
    found = ks_of_bins(reference, on_edges(now, reference))
    assert found <= oracles.ks(past, now) + 1e-12


@pytest.mark.parametrize("rows", [1_000, 20_000])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_ks_on_32_bins_is_within_a_hundredth(rows: int, shift: float) -> None:
    rng = np.random.default_rng(rows)
    past, now = rng.normal(size=20_000), rng.normal(size=rows) + shift
    reference = exact_reference(past.tolist())
    at = np.sort(np.concatenate([past, now]))
    shares = [np.searchsorted(np.sort(side), at, "right") / side.size for side in (past, now)]
    exact = float(np.abs(shares[0] - shares[1]).max())
    exactly = distance(KS, reference, on_edges(now.tolist(), reference))
    estimated = distance(KS, reference, observed(now.tolist()))
    assert exactly == pytest.approx(exact, abs=0.012)
    assert estimated == pytest.approx(exactly, abs=0.005)


def test_psi_of_a_column_is_that_of_its_bins() -> None:
    rng = np.random.default_rng(6)
    past, now = rng.normal(size=5000), rng.normal(0.3, 1, 2000)
    reference = exact_reference(past.tolist(), bins=10)
    before, after = (
        np.histogram(side, bins=[-np.inf, *reference.edges, np.inf])[0].tolist()
        for side in (past, now)
    )
    found = distance(PSI, reference, on_edges(now.tolist(), reference))
    expected = oracles.psi(before, after) - psi_noise(before, after)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("comparator", OF_BINS, ids=lambda one: one.name)
@pytest.mark.parametrize("now", [1.0, -1.0, 1e9])
def test_a_constant_that_becomes_another_is_a_large_distance(
    comparator: Comparator, now: float
) -> None:
    """Upwards too: what was never seen above the largest value has a bin of its own."""
    reference = exact_reference([0.0] * 1000)
    for current in (observed([now] * 1000), on_edges([now] * 1000, reference)):
        assert distance(comparator, reference, current) > FAR.get(comparator.name, 0.9)


@pytest.mark.parametrize("comparator", OF_BINS, ids=lambda one: one.name)
@pytest.mark.parametrize("before", [0, 5])
def test_a_flag_that_rises_to_half_is_seen(comparator: Comparator, before: int) -> None:
    """From never, or from one in a hundred, which is below the share of a bin."""
    flags = [1.0] * before + [0.0] * (500 - before)
    for reference in (exact_reference(flags), reference_column(observed(flags), INPUT_BINS)):
        found = compared(comparator, reference, observed([0.0, 1.0] * 250))
        assert found.value > max(0.1, 3 * found.noise)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(2, 64))
def test_a_reference_has_at_most_as_many_bins_as_asked_for(values: list[float], bins: int) -> None:
    for column in (exact_reference(values, bins), reference_column(observed(values), bins)):
        assert len(column.edges) <= max(bins - 1, 1)
        assert list(column.edges) == sorted(set(column.edges))
    assert sum(exact_reference(values, bins).feature.numbers.binned.counts) == len(values)  # type: ignore[union-attr]  # numbers have bins


def test_a_reference_without_numbers_has_no_edges() -> None:
    assert exact_reference(["a", "b"]).edges == ()
    assert reference_column(observed(["a", "b"]), INPUT_BINS).edges == ()


@given(strategies.measurements.filter(bool), strategies.edges)
def test_counts_taken_on_the_edges_are_exact_and_others_are_marked(
    values: list[float], edges: tuple[float, ...]
) -> None:
    taken = observed(values, FeatureSpec(bounds=Bounds(edges=edges)))
    exact, rebinned = taken.numbers.counts_on(edges)
    assert not rebinned
    estimated, marked = observed(values).numbers.counts_on(edges)
    assert marked
    assert sum(estimated) == pytest.approx(len(values))
    assert len(exact) == len(estimated) == len(edges) + 1
    worst = max(abs(e - t) for e, t in zip(np.cumsum(estimated), np.cumsum(exact), strict=True))
    assert worst <= 0.03 * len(values) + 1


def test_an_estimate_puts_a_value_on_an_edge_to_the_right_as_a_count_does() -> None:
    values = [0.0] * 600 + [1.0] * 400
    exact, _ = observed(values, FeatureSpec(bounds=Bounds(edges=(0.0, 1.0)))).numbers.counts_on(
        (0.0, 1.0)
    )
    estimated, _ = observed(values).numbers.counts_on((0.0, 1.0))
    assert exact == [0, 600, 400]
    assert estimated == pytest.approx(exact)


@pytest.mark.parametrize(
    "comparator",
    [one for one in OF_BINS if one.name not in {"wasserstein", "energy"}],
    ids=lambda one: one.name,
)
def test_numbers_that_become_text_are_far_from_what_they_were(comparator: Comparator) -> None:
    reference = exact_reference([float(value) for value in range(100)])
    comparison = compared(comparator, reference, observed(["N/A"] * 100))
    assert comparison.value > FAR.get(comparator.name, 0.7)
    assert (comparison.largest_bin, comparison.share_before, comparison.share_now) == (
        "not a number",
        0.0,
        1.0,
    )


def test_a_little_text_among_numbers_is_a_little_distance() -> None:
    reference = exact_reference([float(value) for value in range(1000)])
    now = [float(value) for value in range(900)] + ["N/A"] * 100
    comparison = compared(PSI, reference, observed(now))
    assert comparison.value > 0.1
    assert comparison.largest_bin == "not a number"


def test_text_that_becomes_numbers_is_far_from_what_it_was() -> None:
    reference = exact_reference(["a", "b"] * 50)
    comparison = compared(PSI, reference, observed([1.0] * 100))
    assert comparison.value > 1
    assert (comparison.largest_bin, comparison.share_now) == ("a number", 1.0)


@given(st.lists(strategies.names, min_size=100, max_size=130))
def test_what_was_counted_on_the_dictionary_is_compared_exactly(words: list[str]) -> None:
    reference = exact_reference(words)
    counted = observed(words, FeatureSpec(dictionary=reference.dictionary))
    bins = [common_bins(reference, one) for one in (counted, observed(words, READABLE))]
    assert bins[0] is not None
    assert bins[1] is not None
    assert bins[0].current == bins[1].current
    assert not bins[0].rebinned
    assert not compared(PSI, reference, counted).rebinned


def test_pseudonyms_alone_cannot_be_compared() -> None:
    reference = exact_reference(["cash", "card"] * 50)
    for spec in (FeatureSpec(key=b"key"), FeatureSpec()):
        found = compare(PSI, reference, observed(["cash"] * 150, spec))
        assert found == NotCompared(NoDistance.UNDEFINED, "psi does not exist for this column")


def test_a_new_name_is_unseen_and_a_rare_one_is_other() -> None:
    past = [f"name-{rank}" for rank in range(25) for _ in range(60 - rank)]
    reference = exact_reference(past)
    now = ["name-0"] * 10 + ["name-24"] * 20 + ["coin"] * 70
    for spec in (FeatureSpec(dictionary=reference.dictionary), READABLE):
        bins = common_bins(reference, observed(now, spec))
        assert bins is not None
        shares = dict(zip(bins.names, bins.current, strict=True))
        assert (shares["name-0"], shares["other"], shares["unseen"]) == (10, 20, 70)
        assert len(bins.names) == 20 + 4
    comparison = compared(PSI, reference, observed(now, READABLE))
    assert comparison.largest_bin == "unseen"


def test_the_bin_of_one_value_is_named_after_it() -> None:
    """It stands in the sentence that wakes somebody."""
    reference = exact_reference([37.5] * 500)
    bins = common_bins(reference, reference.feature)
    assert bins is not None
    assert list(bins.names) == ["below 37.5", "exactly 37.5", "above 37.5"]
    flags = exact_reference([0.0] * 800 + [float(value) for value in range(1, 201)], bins=10)
    named = common_bins(flags, flags.feature)
    assert named is not None
    assert list(named.names)[:3] == ["below 0", "exactly 0", "(0, 0.2)"]


def test_ks_of_categories_does_not_exist() -> None:
    reference = exact_reference(["a", "b"] * 50)
    assert isinstance(compare(KS, reference, observed(["a"] * 100)), NotCompared)


@pytest.mark.parametrize("comparator", OF_BINS, ids=lambda one: one.name)
def test_an_empty_side_has_no_distance(comparator: Comparator) -> None:
    reference = exact_reference([1.0, 2.0] * 100)
    assert isinstance(compare(comparator, reference, observed([None, None])), NotCompared)
    empty = exact_reference([None])
    assert isinstance(compare(comparator, empty, observed([1.0] * 100)), NotCompared)


@pytest.mark.parametrize("comparator", OF_COLUMNS, ids=lambda one: one.name)
@pytest.mark.parametrize("side", ["reference", "current"])
def test_too_few_values_on_either_side_are_a_reason_and_no_number(
    comparator: Comparator, side: str
) -> None:
    """One value more than too few has a distance."""
    enough = {"reference": 2000, "current": 2000}
    fewest = getattr(comparator.fewest, side)
    assert fewest > 1
    for count in (fewest - 1, fewest):
        counts = enough | {side: count}
        words = comparator.name == "unseen_change"
        past, now = (
            [f"name {n % 7}" if words else float(n % 97) for n in range(counts[one])]
            for one in ("reference", "current")
        )
        reference = exact_reference(past)
        current = observed(
            now, FeatureSpec(bounds=reference.bounds, dictionary=reference.dictionary)
        )
        found = compare(comparator, reference, current)
        if count == fewest:
            assert isinstance(found, Comparison), found
        else:
            assert isinstance(found, NotCompared)
            assert found.reason is NoDistance.TOO_FEW
            what = comparator.counted.value
            who = "the reference" if side == "reference" else "the window"
            assert found.why == f"{comparator.name} needs {fewest} {what}: {who} has {count}"


def test_what_moved_most_is_named_with_its_shares() -> None:
    reference = exact_reference([float(value) for value in range(100)], bins=4)
    comparison = compared(KS, reference, on_edges([10.0] * 40 + [99.0] * 60, reference))
    assert comparison.largest_bin.endswith("and above")
    assert comparison.share_before == pytest.approx(0.25, abs=0.01)
    assert comparison.share_now == 0.6
    assert not comparison.rebinned
    assert compared(KS, reference, observed([10.0] * 40)).rebinned


@pytest.mark.parametrize("current", [[1.0, 9.0], ["a", "b"], []], ids=["numbers", "texts", "none"])
def test_all_distances_are_those_of_each_comparator(current: list[Any]) -> None:
    reference = exact_reference([1.0, 2.0, 3.0] * 200)
    now = on_edges(current * 300, reference)
    each = {name: compare(comparator, reference, now) for name, comparator in COMPARATORS.items()}
    assert compare_by(COMPARATORS.values(), reference, now) == each


@pytest.mark.parametrize("result", [float("nan"), float("inf"), None])
def test_a_function_of_a_user_that_gives_no_number_is_a_reason(result: float | None) -> None:
    own = Comparator(name="own", distance=lambda _: result, fewest=Fewest(2, 2))
    found = compare(own, exact_reference([1.0, 2.0]), observed([1.0, 2.0]))
    assert isinstance(found, NotCompared)
    expected = NoDistance.UNDEFINED if result is None else NoDistance.FAILED
    assert found.reason is expected


def test_a_function_of_a_user_that_raises_is_a_reason() -> None:
    def broken(_: object) -> float:
        raise OSError("no disk")

    own = Comparator(name="own", distance=broken)
    found = compare(own, exact_reference([1.0, 2.0]), observed([1.0, 2.0]))
    assert found == NotCompared(NoDistance.FAILED, "own failed: no disk")
