"""Each distance is its definition: independent oracles, ranges, and figures known from elsewhere."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial import distance as scipy_distance
from support import oracles

from nilometer.compare.anderson_darling import anderson_darling
from nilometer.compare.chi_square import chi_square
from nilometer.compare.cosine import cosine
from nilometer.compare.cramer_von_mises import cramer_von_mises
from nilometer.compare.g_test import g_statistic
from nilometer.compare.hellinger import hellinger
from nilometer.compare.jensen_shannon import jensen_shannon
from nilometer.compare.ks import kolmogorov_smirnov
from nilometer.compare.l_infinity import l_infinity, l_infinity_robust
from nilometer.compare.psi import (
    debiased_psi,
    population_stability_index,
    psi_interval,
    psi_noise,
)
from nilometer.compare.shares import without_sparse_bins
from nilometer.compare.total_variation import total_variation

Distance = Callable[[ArrayLike, ArrayLike], float]

# Distances of shares, with their largest value; they do not depend on the number of rows.
OF_SHARES: dict[Distance, float] = {
    kolmogorov_smirnov: 1.0,
    jensen_shannon: 1.0,
    hellinger: 1.0,
    cramer_von_mises: 2 / 3,
    anderson_darling: 4 * math.log(2),
    total_variation: 1.0,
    l_infinity: 1.0,
    cosine: 1.0,
}
OF_COUNTS: tuple[Distance, ...] = (
    population_stability_index,
    chi_square,
    g_statistic,
    l_infinity_robust,
)
ALL = (*OF_SHARES, *OF_COUNTS)
TABLES = np.load(Path(__file__).with_name("car_loan.npz"))

bin_counts = (
    st.integers(2, 12)
    .flatmap(
        lambda bins: st.tuples(*[st.lists(st.integers(0, 5000), min_size=bins, max_size=bins)] * 2)
    )
    .filter(lambda sides: all(sum(side) > 0 for side in sides))
)
full_counts = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(1, 5000), min_size=bins, max_size=bins)] * 2)
)


def by_name(distance: Distance) -> str:
    return distance.__name__


@given(bin_counts)
def test_psi_is_its_definition(sides: tuple[list[int], list[int]]) -> None:
    reference, current = sides
    expected = oracles.psi(reference, current)
    assert population_stability_index(reference, current) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("distance", ALL, ids=by_name)
@given(sides=bin_counts)
def test_a_distance_is_symmetric_and_in_its_range(
    distance: Distance, sides: tuple[list[int], list[int]]
) -> None:
    reference, current = sides
    there = distance(reference, current)
    assert there == pytest.approx(distance(current, reference), abs=1e-9)
    assert 0 <= there <= OF_SHARES.get(distance, math.inf) + 1e-12


@pytest.mark.parametrize("distance", OF_SHARES, ids=by_name)
@given(sides=bin_counts, times=st.integers(2, 50))
def test_only_the_shares_matter(
    distance: Distance, sides: tuple[list[int], list[int]], times: int
) -> None:
    reference, current = sides
    larger = [count * times for count in current]
    assert distance(reference, larger) == pytest.approx(distance(reference, current), abs=1e-9)


@pytest.mark.parametrize("distance", ALL, ids=by_name)
def test_equal_sides_have_no_distance(distance: Distance) -> None:
    assert distance([3, 4, 5], [3, 4, 5]) == pytest.approx(0.0, abs=1e-9)
    assert distance([7], [7]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("distance", OF_SHARES, ids=by_name)
def test_sides_without_a_common_bin_are_as_far_apart_as_can_be(distance: Distance) -> None:
    """Most of all where one side is a single value, and the other spreads over many above it."""
    spread = distance([9, *[0] * 3000], [0, *[1] * 3000])
    assert max(distance([9, 0], [0, 9]), spread) == pytest.approx(OF_SHARES[distance], rel=1e-2)


@pytest.mark.parametrize("distance", ALL, ids=by_name)
@pytest.mark.parametrize(
    ("reference", "current", "why"),
    [
        ([1, 2], [1, 2, 3], "shapes"),
        ([0, 0], [1, 2], "empty"),
        ([1, 2], [0, 0], "empty"),
    ],
)
def test_a_distance_that_does_not_exist_is_refused(
    distance: Distance, reference: list[float], current: list[float], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        distance(reference, current)


@given(full_counts)
def test_scipy_agrees(sides: tuple[list[int], list[int]]) -> None:
    r, c = (np.asarray(side) / sum(side) for side in sides)
    assert jensen_shannon(*sides) == pytest.approx(
        float(scipy_distance.jensenshannon(r, c, 2)), abs=1e-7
    )
    assert cosine(*sides) == pytest.approx(float(scipy_distance.cosine(r, c)), abs=1e-9)
    assert total_variation(*sides) == pytest.approx(float(scipy_distance.cityblock(r, c)) / 2)
    assert l_infinity(*sides) == pytest.approx(float(scipy_distance.chebyshev(r, c)), abs=1e-12)
    euclidean = float(scipy_distance.euclidean(np.sqrt(r), np.sqrt(c)))
    assert hellinger(*sides) == pytest.approx(euclidean / math.sqrt(2), abs=1e-12)
    freedom = len(sides[0]) - 1
    for found, power in ((chi_square, 1), (g_statistic, 0)):
        expected = stats.chi2_contingency(sides, correction=False, lambda_=power).statistic
        assert found(*sides) == pytest.approx(expected / freedom, abs=1e-7)


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_ks_is_exact_where_every_value_has_a_bin(ours: list[int], theirs: list[int]) -> None:
    sides = [[values.count(value) for value in range(10)] for values in (ours, theirs)]
    assert kolmogorov_smirnov(*sides) == pytest.approx(oracles.ks(ours, theirs), abs=1e-12)


def test_cramer_von_mises_is_the_statistic_of_scipy_over_half_the_size() -> None:
    """scipy ranks values and adds its expectation; 2,000 bins of few values come close to it."""
    rng = np.random.default_rng(3)
    past, now = rng.normal(size=3000), rng.normal(0.2, 1.1, 3000)
    edges = np.quantile(past, np.arange(1, 2000) / 2000)
    sides = [np.bincount(np.searchsorted(edges, side), minlength=2000) for side in (past, now)]
    statistic = stats.cramervonmises_2samp(past, now).statistic
    assert cramer_von_mises(*sides) * 1500 == pytest.approx(statistic, rel=0.02)


def test_anderson_darling_is_its_rank_statistic_over_half_the_size() -> None:
    """Pettitt's sum over the ranks of all values, none of them equal."""
    rng = np.random.default_rng(4)
    past, now = rng.normal(size=400), rng.normal(0.3, 1.2, 400)
    values = np.sort(np.concatenate([past, now]))
    sides = [np.isin(values, side).astype(int) for side in (past, now)]
    i = np.arange(1, 800)
    below = np.cumsum(sides[0])[:-1]
    pettitt = float(((below * 800 - 400 * i) ** 2 / (i * (800 - i))).sum()) / (400 * 400)
    assert anderson_darling(*sides) * 200 == pytest.approx(pettitt, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "distance", "published"),
    [
        (
            "doane",
            jensen_shannon,
            [
                0.0316611, 0.0300113, 0.0311286, 0.0294644, 0.0308095,
                0.0286811, 0.0436276, 0.0292533, 0.0306276, 0.0283303,
            ],
        ),
        (
            "quantiles",
            kolmogorov_smirnov,
            [
                0.01576, 0.01268, 0.01734, 0.01280, 0.01918,
                0.00824, 0.01058, 0.01002, 0.01068, 0.00680,
            ],
        ),
    ],
)  # fmt: skip
def test_the_tables_that_nannyml_published(
    name: str, distance: Distance, published: list[float]
) -> None:
    """Of debt_to_income_ratio in its car loans, ten chunks of 5,000 rows, each within 3 %.

    `car_loan.npz` has the counts of the reference and of each chunk: in Doane's bins, where the
    first and last bin are open, and in 2,000 bins of equal shares. The data set is NannyML's
    (Apache-2.0, synthetic).
    """
    reference, *chunks = TABLES[name]
    found = [distance(reference, chunk) for chunk in chunks]
    assert found == pytest.approx(published, rel=0.03)


def test_robust_l_infinity_is_deequs_formula() -> None:
    reference, current = [5000, 5000], [200, 300]
    expected = 0.1 - 1.8 * math.sqrt((10_000 + 500) / (10_000 * 500))
    assert l_infinity_robust(reference, current) == pytest.approx(expected)
    assert l_infinity_robust([5, 5], [2, 3]) == 0.0


def test_a_known_psi() -> None:
    found = population_stability_index([5000, 5000], [7500, 2500])
    assert found == pytest.approx(0.25 * math.log(3), rel=1e-3)


def test_an_empty_bin_costs_what_so_many_rows_can_know() -> None:
    """One of ten rows says less about an empty bin than a thousand of ten thousand."""
    few = population_stability_index([10, 0], [9, 1])
    many = population_stability_index([10_000, 0], [9000, 1000])
    assert 0 < few < 0.2
    assert many == pytest.approx(0.1 * math.log(0.1 * 20_000), rel=0.02)


@pytest.mark.parametrize("bins", [5, 10, 32])
@pytest.mark.parametrize("rows", [500, 5000])
def test_the_noise_is_what_equal_distributions_show_on_average(bins: int, rows: int) -> None:
    rng = np.random.default_rng(bins * rows)
    shares = np.full(bins, 1 / bins)
    past = 20_000
    excesses, debiased = [], []
    for _ in range(400):
        reference = rng.multinomial(past, shares)
        current = rng.multinomial(rows, shares)
        raw = population_stability_index(reference, current)
        excesses.append(raw - psi_noise(reference, current))
        debiased.append(debiased_psi(reference, current, ordered=True))
    spread = float(np.std(excesses))
    assert abs(float(np.mean(excesses))) < max(4 * spread / math.sqrt(400), 0.1 * bins / rows)
    # Cut at 0, half of the noise is left: less than half a standard deviation on average.
    assert float(np.mean(debiased)) < 0.6 * spread
    assert min(debiased) == 0.0


def test_a_drift_is_hardly_smaller_when_debiased() -> None:
    reference, current = [1000] * 10, [1500, 500] * 5
    raw = population_stability_index(reference, current)
    assert debiased_psi(reference, current, ordered=True) == pytest.approx(raw, abs=0.003)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_the_interval_holds_the_psi_of_the_populations(shift: float) -> None:
    """In about 95 of 100 samples; without drift the psi of the populations is 0."""
    rng = np.random.default_rng(int(10 * shift))
    edges = stats.norm.ppf(np.arange(1, 20) / 20)
    before = np.full(20, 0.05)
    now = np.diff([0.0, *stats.norm.cdf(edges - shift), 1.0])
    truth = float(((now - before) * np.log(now / before)).sum())
    held = 0
    for _ in range(300):
        counts = rng.multinomial(5000, before), rng.multinomial(1000, now)
        low, high = psi_interval(*counts, ordered=True)
        assert low <= debiased_psi(*counts, ordered=True) <= high
        held += low <= truth <= high
    assert held >= 0.9 * 300


@given(bin_counts, st.booleans())
def test_joining_keeps_all_rows_and_fills_each_bin(
    sides: tuple[list[int], list[int]],
    ordered: bool,  # noqa: FBT001
) -> None:
    reference, current = sides
    r, c = without_sparse_bins(reference, current, ordered=ordered)
    assert (r.sum(), c.sum()) == (sum(reference), sum(current))
    assert 1 <= r.size <= len(reference)
    size = 1 / (1 / r.sum() + 1 / c.sum())
    if r.size > 1:
        assert ((r / r.sum() + c / c.sum()) / 2 * size).min() >= 8 - 1e-9


def test_a_bin_that_one_side_alone_fills_is_not_joined() -> None:
    """What the reference never held must stay as visible as it is."""
    r, c = without_sparse_bins([100] * 10 + [0], [95] * 10 + [50], ordered=True)
    assert (r[-1], c[-1]) == (0, 50)
