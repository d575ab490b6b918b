"""The change of a mean is split into moved rows and other values of the rows of a bin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nilometer.compare.components import components, main_effect
from nilometer.profile.bin_sums import BinSums, Rounded
from nilometer.profile.cell_bins import CellBins

CELLS = CellBins((0.0, 1.0, 2.0), None)
BITS = 12
Floats = NDArray[np.float64]

rows = st.lists(st.tuples(st.floats(-1.0, 3.0), st.floats(-10.0, 10.0)), min_size=1, max_size=40)


def sums_of(feature: Floats, prediction: Floats) -> BinSums:
    return BinSums.of(CELLS.bins, CELLS.places(feature), Rounded.of(prediction, BITS))


def of_pairs(pairs: list[tuple[float, float]]) -> BinSums:
    feature, prediction = np.array(pairs, np.float64).T
    return sums_of(feature, prediction)


def test_an_example_by_hand() -> None:
    # 75 rows of the first bin have mean 2, 25 of the second have mean 6; then 50 : 50, and 2 : 7.
    before = of_pairs([(-1.0, 2.0)] * 75 + [(0.5, 6.0)] * 25)
    now = of_pairs([(-1.0, 2.0)] * 50 + [(0.5, 7.0)] * 50)
    found = components(before, now)
    assert found is not None
    assert found.mix.sum() == pytest.approx(0.25 * (6 - 2))
    assert found.within.sum() == pytest.approx(0.5 * (7 - 6))
    assert found.within[1] == pytest.approx(0.5)
    # No row differs from the mean of its bin, so only the shares are uncertain.
    assert found.within_error == 0.0
    assert found.mix_error == pytest.approx(4 * np.sqrt(0.25 / 100 + 0.75 * 0.25 / 100))


def test_rows_in_a_bin_that_was_empty_have_moved() -> None:
    found = components(
        of_pairs([(-1.0, 1.0)] * 30), of_pairs([(-1.0, 1.0)] * 15 + [(5.0, 9.0)] * 15)
    )
    assert found is not None
    assert (found.mix.sum(), found.within.sum()) == (pytest.approx(4.0), 0.0)


@given(rows, rows)
def test_the_parts_add_up_to_the_change(
    before: list[tuple[float, float]], now: list[tuple[float, float]]
) -> None:
    ours, theirs = of_pairs(before), of_pairs(now)
    found = components(ours, theirs)
    assert found is not None
    change = (sum(theirs.sums) / theirs.rows - sum(ours.sums) / ours.rows) * ours.unit
    assert found.mix.sum() + found.within.sum() == pytest.approx(change, abs=1e-9)


def test_the_errors_are_those_of_repeated_samples() -> None:
    rng = np.random.default_rng(11)
    parts = []
    for _ in range(400):
        sides = []
        for shift, size in ((0.0, 400), (0.3, 300)):
            feature = rng.normal(1.0 + shift, 1.0, size)
            sides.append(sums_of(feature, np.floor(feature) + rng.normal(0.0, 0.7, size)))
        found = components(*sides)
        assert found is not None
        parts.append((found.mix.sum(), found.within.sum(), found.mix_error, found.within_error))
    mix, within, mix_error, within_error = np.array(parts).T
    assert np.median(mix_error) == pytest.approx(mix.std(), rel=0.12)
    assert np.median(within_error) == pytest.approx(within.std(), rel=0.12)


def test_mix_and_behaviour_are_told_apart() -> None:
    rng = np.random.default_rng(12)
    for moved, changed in ((0.5, 0.0), (0.0, 0.5)):
        before, now = (rng.normal(mean, 1.0, 2000) for mean in (1.0, 1.0 + moved))
        found = components(
            sums_of(before, before + rng.normal(0.0, 0.5, 2000)),
            sums_of(now, now + changed + rng.normal(0.0, 0.5, 2000)),
        )
        assert found is not None
        is_mix = abs(found.mix.sum()) > 5 * found.mix_error
        is_within = abs(found.within.sum()) > 5 * found.within_error
        assert (is_mix, is_within) == (bool(moved), bool(changed))


def test_the_main_effect_is_the_explained_share() -> None:
    rng = np.random.default_rng(13)
    feature = rng.uniform(-1.0, 3.0, 4000)
    steps = np.floor(feature).clip(-1.0, 2.0)
    noise = rng.normal(0.0, steps.std(), 4000)
    assert main_effect(sums_of(feature, steps)) == pytest.approx(1.0, abs=1e-6)
    assert main_effect(sums_of(feature, steps + noise)) == pytest.approx(0.5, abs=0.03)
    pure = [main_effect(sums_of(feature[:50], rng.normal(0.0, 1.0, 50))) for _ in range(200)]
    assert np.mean(pure) < 0.05
    assert main_effect(of_pairs([(1.0, 1.0)])) == 0.0


def test_sides_with_other_bins_or_without_rows() -> None:
    other = CellBins((0.0,), None)
    sums = of_pairs([(0.5, 1.0)])
    nothing = sums_of(np.zeros(0), np.zeros(0))
    assert components(sums, nothing) is None
    with pytest.raises(ValueError, match="same bins"):
        components(sums, BinSums.of(other.bins, other.places([0.5]), Rounded.of(np.ones(1), BITS)))
