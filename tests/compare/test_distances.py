import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles

from nilometer.compare import debiased_psi, kolmogorov_smirnov, population_stability_index
from nilometer.compare.psi import EMPTY_BIN

DISTANCES = (population_stability_index, debiased_psi, kolmogorov_smirnov)

bin_counts = (
    st.integers(2, 12)
    .flatmap(
        lambda bins: st.tuples(*[st.lists(st.integers(0, 5000), min_size=bins, max_size=bins)] * 2)
    )
    .filter(lambda sides: all(sum(side) > 0 for side in sides))
)


@given(bin_counts)
def test_psi_is_its_definition(sides: tuple[list[int], list[int]]) -> None:
    reference, current = sides
    expected = oracles.psi(reference, current, EMPTY_BIN)
    assert population_stability_index(reference, current) == pytest.approx(expected, abs=1e-12)


@given(bin_counts)
def test_psi_is_symmetric_and_never_negative(sides: tuple[list[int], list[int]]) -> None:
    reference, current = sides
    there = population_stability_index(reference, current)
    assert there == pytest.approx(population_stability_index(current, reference), abs=1e-12)
    assert there >= 0


@given(bin_counts, st.integers(2, 50))
def test_only_the_proportions_matter(sides: tuple[list[int], list[int]], times: int) -> None:
    reference, current = sides
    larger = [count * times for count in current]
    for distance in (population_stability_index, kolmogorov_smirnov):
        assert distance(reference, larger) == pytest.approx(distance(reference, current), abs=1e-9)


def test_a_known_psi() -> None:
    assert population_stability_index([50, 50], [75, 25]) == pytest.approx(0.25 * math.log(3))


def test_an_empty_bin_costs_a_finite_distance() -> None:
    found = population_stability_index([100, 0], [50, 50])
    assert found == pytest.approx(oracles.psi([100, 0], [50, 50], EMPTY_BIN))
    assert math.isfinite(found)


@pytest.mark.parametrize("bins", [5, 10, 32])
@pytest.mark.parametrize("rows", [500, 5000])
def test_what_is_taken_off_is_what_equal_distributions_show_on_average(
    bins: int, rows: int
) -> None:
    rng = np.random.default_rng(bins * rows)
    shares = np.full(bins, 1 / bins)
    past = 20_000
    excesses, debiased = [], []
    for _ in range(400):
        reference = rng.multinomial(past, shares).tolist()
        current = rng.multinomial(rows, shares).tolist()
        raw = population_stability_index(reference, current)
        excesses.append(raw - (bins - 1) * (1 / rows + 1 / past))
        debiased.append(debiased_psi(reference, current))
    spread = float(np.std(excesses))
    assert abs(float(np.mean(excesses))) < max(4 * spread / math.sqrt(400), 0.1 * bins / rows)
    # Cut at 0, half of the noise is left: less than half a standard deviation on average.
    assert float(np.mean(debiased)) < 0.5 * spread
    assert min(debiased) == 0.0


@given(bin_counts)
def test_debiasing_takes_off_the_noise_and_no_more(sides: tuple[list[int], list[int]]) -> None:
    reference, current = sides
    used = sum(r + c > 0 for r, c in zip(reference, current, strict=True))
    noise = (used - 1) * (1 / sum(current) + 1 / sum(reference))
    expected = max(oracles.psi(reference, current, EMPTY_BIN) - noise, 0.0)
    assert debiased_psi(reference, current) == pytest.approx(expected, abs=1e-12)


def test_a_drift_is_hardly_smaller_when_debiased() -> None:
    reference, current = [1000] * 10, [1500, 500] * 5
    raw = population_stability_index(reference, current)
    assert debiased_psi(reference, current) == pytest.approx(raw, abs=0.002)


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_ks_is_exact_where_every_value_has_a_bin(ours: list[int], theirs: list[int]) -> None:
    sides = [[values.count(value) for value in range(10)] for values in (ours, theirs)]
    assert kolmogorov_smirnov(*sides) == pytest.approx(oracles.ks(ours, theirs), abs=1e-12)


@given(bin_counts)
def test_ks_is_a_symmetric_share(sides: tuple[list[int], list[int]]) -> None:
    there, back = kolmogorov_smirnov(*sides), kolmogorov_smirnov(*reversed(sides))
    assert there == pytest.approx(back, abs=1e-12)
    assert 0 <= there <= 1 + 1e-12


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda distance: distance.__name__)
def test_equal_sides_have_no_distance(distance: object) -> None:
    assert callable(distance)
    assert distance([3, 4, 5], [3, 4, 5]) == 0.0


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda distance: distance.__name__)
@pytest.mark.parametrize(
    ("reference", "current", "why"),
    [
        ([1, 2], [1, 2, 3], "shapes"),
        ([0, 0], [1, 2], "empty"),
        ([1, 2], [0, 0], "empty"),
    ],
)
def test_a_distance_that_does_not_exist_is_refused(
    distance: object, reference: list[float], current: list[float], why: str
) -> None:
    assert callable(distance)
    with pytest.raises(ValueError, match=why):
        distance(reference, current)
