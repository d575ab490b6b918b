"""What each comparator states is so: its range, its noise without drift, and its figures."""

import math

import numpy as np
import pytest
from scipy import stats
from support import strategies

from nilometer.compare import (
    COMPARATORS,
    Comparator,
    Comparison,
    NotCompared,
    compare,
    exact_reference_column,
)
from nilometer.profile import FeatureProfile, FeatureSpec
from nilometer.profile.reference import INPUT_BINS, ReferenceColumn


def reference_of(values: list[object]) -> ReferenceColumn:
    numbers = np.array([value for value in values if isinstance(value, float)])
    feature = strategies.feature_of(values, FeatureSpec(readable=True))
    return exact_reference_column(feature, numbers, INPUT_BINS)


def current_of(values: list[object], reference: ReferenceColumn) -> FeatureProfile:
    spec = FeatureSpec(
        bounds=reference.bounds, dictionary=reference.dictionary, expected=reference.expected
    )
    return strategies.feature_of(values, spec)


def compared(name: str, past: list[object], now: list[object]) -> Comparison:
    reference = reference_of(past)
    found = compare(COMPARATORS[name], reference, current_of(now, reference))
    assert isinstance(found, Comparison), found
    return found


def numbers(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[object]:
    return [*values.tolist()]


@pytest.mark.parametrize("comparator", COMPARATORS.values(), ids=COMPARATORS)
def test_each_states_what_a_reader_must_know(comparator: Comparator) -> None:
    assert comparator.about
    assert comparator.bias
    assert comparator.source
    assert comparator.highest > 0
    assert comparator.fewest.reference >= 30
    assert comparator.fewest.current >= 30
    assert comparator.title


@pytest.mark.parametrize("rows", [500, 3000])
def test_the_stated_noise_is_the_mean_without_drift_or_above_it(rows: int) -> None:
    """By at most a third: a bound of a root of a mean, or of a maximum, is above it."""
    rng = np.random.default_rng(rows)
    values: dict[str, list[float]] = {name: [] for name in COMPARATORS}
    stated: dict[str, list[float]] = {name: [] for name in COMPARATORS}
    for _ in range(25):
        reference = reference_of(numbers(rng.normal(size=4000)))
        now = current_of(numbers(rng.normal(size=rows)), reference)
        for name, comparator in COMPARATORS.items():
            found = compare(comparator, reference, now)
            if isinstance(found, Comparison):
                values[name].append(found.value)
                stated[name].append(found.noise)
    for name, found_values in values.items():
        if not found_values:
            continue
        mean, noise = float(np.mean(found_values)), float(np.mean(stated[name]))
        error = 4 * float(np.std(found_values)) / math.sqrt(len(found_values))
        if noise == 0.0:
            assert mean <= 0.01 + error, name
        else:
            assert mean <= noise * 1.05 + error, name
            assert mean >= noise * 0.6 - error, name


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 3.0])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "zeros"])
def test_wasserstein_and_energy_are_scipys_on_standardised_values(shape: str, shift: float) -> None:
    rng = np.random.default_rng(8)
    past, now = rng.normal(size=20_000), rng.normal(size=2000)
    if shape == "lognormal":
        past, now = np.exp(past), np.exp(now)
    if shape == "zeros":
        past, now = (np.where(side > 0.3, side, 0.0) for side in (past, now))
    scale = float(past.std())
    now = now + shift * scale
    w1 = compared("wasserstein", numbers(past), numbers(now)).value
    assert w1 == pytest.approx(stats.wasserstein_distance(past, now) / scale, abs=0.02)
    energy = compared("energy", numbers(past), numbers(now)).value
    expected = stats.energy_distance(past / scale, now / scale)
    assert energy == pytest.approx(expected, abs=0.01)


def test_a_constant_that_becomes_another_has_a_finite_distance() -> None:
    assert compared("wasserstein", [5.0] * 50, [6.0] * 50).value == pytest.approx(2.0)
    assert compared("p50_change", [5.0] * 50, [6.0] * 50).value == pytest.approx(2.0)
    assert compared("energy", [5.0] * 50, [5.0] * 50).value == 0.0


def test_a_constant_of_rounding_errors_is_a_constant() -> None:
    """Its standard deviation is some 1e-17, and no unit."""
    wobbling: list[object] = [0.1 + 0.2, 0.3] * 50
    assert compared("wasserstein", wobbling, [9.0] * 100).value < 3.0


def test_numbers_that_overflow_have_no_distance() -> None:
    reference = reference_of([0.0, 1.0] * 50)
    now = current_of([-1.7e308, 1.7e308] * 50, reference)
    for name in ("wasserstein", "energy"):
        found = compare(COMPARATORS[name], reference, now)
        assert isinstance(found, NotCompared)


@pytest.mark.parametrize(
    ("name", "past", "now", "change"),
    [
        ("missing_change", [1.0] * 95 + [None] * 5, [1.0] * 80 + [None] * 20, 0.15),
        ("missing_change", [1.0] * 100, [None] * 100, 1.0),
        ("null_like_change", ["a"] * 100, ["a"] * 90 + ["n/a"] * 10, 0.1),
        ("non_finite_change", [1.0] * 100, [1.0] * 90 + [math.nan] * 10, 0.1),
        ("type_error_change", [1.0] * 100, [1.0] * 70 + ["x"] * 30, 0.3),
        ("zero_change", [0.0, 1.0] * 50, [0.0] * 100, 0.5),
        ("outside_change", [1.0, 2.0] * 50, [1.0] * 90 + [7.0] * 10, 0.1),
        ("unseen_change", ["a", "b"] * 50, ["a"] * 80 + ["c"] * 20, 0.2),
    ],
)
def test_a_rate_is_compared_with_that_of_the_reference(
    name: str, past: list[object], now: list[object], change: float
) -> None:
    found = compared(name, past, now)
    assert found.value == pytest.approx(change)
    assert found.largest_bin in {name.removesuffix("_change").replace("_", " "), f"not {name}"} or (
        found.largest_bin.startswith("not ")
    )


def test_a_median_that_moves_is_a_change_in_standard_deviations() -> None:
    rng = np.random.default_rng(9)
    past, now = rng.normal(10, 2, 5000), rng.normal(11, 2, 1000)
    assert compared("p50_change", numbers(past), numbers(now)).value == pytest.approx(0.5, abs=0.1)


def test_a_quantile_at_a_step_does_not_jump_by_chance() -> None:
    """The 95th percentile of five percent of large values is a coin's throw."""
    rng = np.random.default_rng(10)
    prices = np.array([1.0, 50.0])
    past = rng.choice(prices, 5000, p=[0.95, 0.05])
    for _ in range(20):
        now = rng.choice(prices, 1000, p=[0.95, 0.05])
        assert compared("p95_change", numbers(past), numbers(now)).value == 0.0
    rare = rng.choice(prices, 5000, p=[0.99, 0.01])
    many = rng.choice(prices, 1000, p=[0.85, 0.15])
    assert compared("p95_change", numbers(rare), numbers(many)).value > 3
