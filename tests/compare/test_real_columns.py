"""Columns that did not change have no drift: few floats, small references, identifiers, long tails."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from nilometer.batch import profile_of, reference_of
from nilometer.compare import (
    COMPARATORS,
    KS,
    PSI,
    Comparison,
    NotCompared,
    common_bins,
    compare,
    compare_by,
)
from nilometer.profile import FeatureProfile, FeatureSpec, Reference, ReferenceColumn
from nilometer.wire.references import reference_from_wire, reference_to_wire

Floats = NDArray[np.float64]
PRICES = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 1.1, 2.3, 19.99, 49.99])
SHARES = np.array([0.2, 0.2, 0.15, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05])


def reference(values: object, name: str = "x") -> Reference:
    table = pa.table({name: pa.array(values)})
    return reference_of(table, entity="e", name="r", source="t", created_ns=1)


def psi(past: object, now: object, name: str = "x") -> Comparison | NotCompared:
    known = reference(past, name)
    (column,) = known.columns.values()
    return compare(PSI, column, profiled(now, known, name))


def profiled(values: object, known: Reference, name: str = "x") -> FeatureProfile:
    """The column as a later table has it, counted on the bins of the reference."""
    found = profile_of(
        pa.table({name: pa.array(values)}), spec_of=lambda one: known.spec(one) or FeatureSpec()
    )
    (column,) = found.values()
    return column


def through_float32(values: Floats) -> Floats:
    return values.astype(np.float32).astype(np.float64)


def summed(values: Floats) -> Floats:
    """0.1 + 0.2 in place of 0.3, and 0.1 + 0.6 in place of 0.7."""
    return np.select([values == 0.3, values == 0.7], [0.1 + 0.2, 0.1 + 0.6], values)


def cancelled(values: Floats) -> Floats:
    """A difference of equal sums in place of 0."""
    return np.where(values == 0.0, 0.1 + 0.2 - 0.3, values)


def noisy(values: Floats) -> Floats:
    return values * (1 + np.random.default_rng(2).normal(0, 1e-9, values.size))


@pytest.mark.parametrize("rows", [2000, 20_000])
@pytest.mark.parametrize("change", [through_float32, summed, cancelled, noisy])
@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-6, 1e9])
def test_values_that_moved_by_a_rounding_error_have_not_moved(
    rows: int, change: Callable[[Floats], Floats], scale: float
) -> None:
    rng = np.random.default_rng(1)
    values = np.append(PRICES, 0.0)
    shares = np.append(SHARES, 0.1) / 1.1
    past, live = (rng.choice(values, n, p=shares) for n in (20_000, rows))
    known = reference(past * scale)
    column = known.columns["input.x"]
    found = [profiled(one * scale, known) for one in (live, change(live))]
    before, after = (compare_by(COMPARATORS.values(), column, one) for one in found)
    for name, result in before.items():
        moved = after[name]
        assert isinstance(moved, Comparison) == isinstance(result, Comparison), name
        if isinstance(moved, Comparison) and isinstance(result, Comparison):
            # `zero` counts exact zeros. A digest of values that all differ interpolates in gaps.
            allowed = {"zero_change": 1.0, "wasserstein": 0.02, "energy": 0.02}.get(name, 1e-5)
            assert moved.value == pytest.approx(result.value, abs=allowed), name
    assert found[1].numbers.below_reference == found[1].numbers.above_reference == 0
    drift = after[PSI.name]
    assert isinstance(drift, Comparison)
    assert drift.value < 0.02


def test_a_value_beside_a_known_one_is_still_another_value() -> None:
    """A price that changes by a cent is a change."""
    known = reference(np.repeat([19.99, 20.0], 500))
    now = profiled(np.repeat([19.98, 20.0], 500), known)
    found = compare(KS, known.columns["input.x"], now)
    assert isinstance(found, Comparison)
    assert found.value == pytest.approx(0.5)


def test_days_as_whole_numbers_keep_bins_of_their_own() -> None:
    """20240101 and 20240102 are closer than the spacing of float32."""
    days = np.repeat(np.arange(20240101.0, 20240111.0), 100)
    known = reference(days)
    bins = common_bins(known.columns["input.x"], known.columns["input.x"].feature)
    assert bins is not None
    assert sorted(count for count in bins.reference if count)[-9:] == [100.0] * 9
    later = profiled(days + 1, known)
    found = compare(KS, known.columns["input.x"], later)
    assert isinstance(found, Comparison)
    assert found.value == pytest.approx(0.1)


DRAWS: dict[str, Callable[[np.random.Generator, int], object]] = {
    "lognormal": lambda rng, n: rng.lognormal(0, 1, n),
    "zeros": lambda rng, n: np.where(rng.random(n) < 0.6, 0, rng.gamma(2, 3, n)),
    "names": lambda rng, n: [f"c{k}" for k in rng.zipf(1.5, n) % 40],
    "equally frequent names": lambda rng, n: [f"c{k}" for k in rng.integers(0, 30, n)],
    "a few such names": lambda rng, n: [f"c{k}" for k in rng.integers(0, 12, n)],
}


@pytest.mark.parametrize("side", ["x", "output.x"])
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("rows", [20, 50, 100, 300])
def test_a_small_reference_does_not_differ_from_its_own_population(
    rows: int, draw: str, side: str
) -> None:
    """Of 40 references, each with a window of 1,000 rows; at PSI .25, as alerters have it."""
    rng = np.random.default_rng(7)
    breaches = 0
    for _ in range(40):
        found = psi(DRAWS[draw](rng, rows), DRAWS[draw](rng, 1000), side)
        if rows < PSI.fewest.reference:
            assert isinstance(found, NotCompared)
        else:
            assert isinstance(found, Comparison)
            breaches += found.value > 0.25
    assert breaches <= 1


def identifiers(rng: np.random.Generator, rows: int) -> list[str]:
    return [rng.bytes(8).hex() for _ in range(rows)]


@pytest.mark.parametrize("rows", [200, 2000, 5000, 20_000])
def test_identifiers_do_not_drift(rows: int) -> None:
    rng = np.random.default_rng(11)
    found = psi(identifiers(rng, rows), identifiers(rng, 1000))
    assert isinstance(found, Comparison)
    assert found.value < 0.05


def users(rng: np.random.Generator, rows: int) -> list[str]:
    """Of 5,000 users, of whom the most active send most of the requests."""
    weight = 1 / np.arange(1, 5001)
    return [f"user{k}" for k in rng.choice(5000, rows, p=weight / weight.sum())]


@pytest.mark.parametrize("rows", [300, 1000, 3000, 10_000, 50_000])
def test_a_long_tail_of_names_does_not_drift(rows: int) -> None:
    rng = np.random.default_rng(12)
    found = psi(users(rng, rows), users(rng, 1000))
    assert isinstance(found, Comparison)
    assert found.value < 0.05


def test_new_names_beyond_the_expected_rate_drift() -> None:
    """A tenth of the rows has a name that is spelled anew."""
    rng = np.random.default_rng(13)
    now = [name.upper() if n % 10 == 0 else name for n, name in enumerate(users(rng, 2000))]
    found = psi(users(rng, 3000), now)
    assert isinstance(found, Comparison)
    assert found.value > 0.01
    assert found.largest_bin == "unseen"
    assert found.interval is not None
    assert found.interval.low > 0.0


def test_a_column_of_few_names_expects_no_new_one() -> None:
    known = reference(["a", "b"] * 500)
    assert known.columns["input.x"].singletons == 0
    column: ReferenceColumn = known.columns["input.x"]
    bins = common_bins(column, column.feature)
    assert bins is not None
    assert dict(zip(bins.names, bins.reference, strict=True))["unseen"] == 0


def test_the_share_of_names_with_own_counts_is_that_of_later_rows() -> None:
    """Of 100 references to 30 names that are equally frequent, with 100 rows each."""
    rng = np.random.default_rng(14)
    excess = []
    for _ in range(100):
        column = reference(DRAWS["equally frequent names"](rng, 100)).columns["input.x"]
        bins = common_bins(column, column.feature)
        assert bins is not None
        assert column.dictionary is not None
        known = len(column.dictionary.names)
        before = sum(bins.reference[:known]) / sum(bins.reference)
        excess.append(before - known / 30)
    assert abs(np.mean(excess)) < 0.03  # without the correction, .17


def test_the_surplus_travels_with_the_reference() -> None:
    known = reference(DRAWS["equally frequent names"](np.random.default_rng(15), 100))
    surplus = known.columns["input.x"].surplus
    assert 5 <= surplus <= 40  # of about 50 rows of names with own counts
    received = reference_from_wire(reference_to_wire(known))
    assert received.columns["input.x"].surplus == surplus


def test_names_that_no_other_name_could_replace_have_no_surplus() -> None:
    counts = {f"n{number:02}": 30 for number in range(20)} | {"rare": 6}
    column = reference([name for name, rows in counts.items() for _ in range(rows)])
    assert column.columns["input.x"].surplus == 0


def mixed(rng: np.random.Generator, rows: int, first: float, names: int) -> list[str]:
    """Of one name with the share *first*, and others that are equally frequent."""
    chosen = np.where(rng.random(rows) < first, 0, rng.integers(1, names + 1, rows))
    return [f"n{name}" for name in chosen]


@pytest.mark.parametrize(("rows", "first", "names"), [(1000, 0.5, 100), (300, 0.5, 30)])
def test_a_common_name_among_rare_ones_keeps_its_share_and_its_drift(
    rows: int, first: float, names: int
) -> None:
    rng = np.random.default_rng(16)
    for _ in range(10):
        known = mixed(rng, rows, first, names)
        column = reference(known).columns["input.x"]
        bins = common_bins(column, column.feature)
        assert bins is not None
        assert bins.reference[0] == known.count("n0")
        same = psi(known, mixed(rng, 5000, first, names))
        moved = psi(known, mixed(rng, 5000, first - 0.2, names))
        assert isinstance(same, Comparison)
        assert isinstance(moved, Comparison)
        assert same.value < 0.1 < moved.value
        assert moved.largest_bin == "n0"


@pytest.mark.parametrize("rows", [100, 200, 1000])
def test_an_outage_is_seen_against_names_frequent_by_chance(rows: int) -> None:
    rng = np.random.default_rng(17)
    for _ in range(20):
        known = DRAWS["equally frequent names"](rng, rows)
        dictionary = reference(known).columns["input.x"].dictionary
        assert dictionary is not None
        for now in ([dictionary.names[0]] * 1000, [f"new{k % 30}" for k in range(1000)]):
            found = psi(known, now)
            assert isinstance(found, Comparison)
            assert found.value > 0.25
