"""Two samples of one summary are compared window by window, with the noise of both."""

from dataclasses import replace

import numpy as np
import pytest
from support.judged_windows import World

from nilometer.alert.calibrated.columns import Floats, Total
from nilometer.alert.calibrated.two_samples import Outcome, Pair, compared

WORLD = World(1, (12,))
NUMBER, CATEGORY = WORLD.columns


def sides(
    windows: int, shift: float = 0.0, *, rows: int = 500, missing: float = 0.0, which: int = 0
) -> Pair:
    """The number or the category of both sides; the candidate is *shift* standard deviations away."""
    truth = WORLD.truth(windows, rows, seed=1)
    stable = WORLD.counts(truth, 2)[which]
    truth.mean = truth.mean + shift
    truth.missing = truth.missing + missing
    return Pair(column=WORLD.columns[which], stable=stable, candidate=WORLD.counts(truth, 3)[which])


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_a_shift_fails_with_its_size_and_direction(shift: float) -> None:
    found = compared(sides(4, shift))
    assert found.outcome is Outcome.FAIL
    assert (found.component, found.direction) == ("position", 1 if shift > 0 else -1)
    assert found.windows <= 3
    assert found.effect is not None
    assert found.effect.value == pytest.approx(0.5, abs=0.15)
    assert 0.1 < found.effect.bound < found.effect.value
    assert found.log_evidence >= 0


def test_missing_cells_fail_by_their_share() -> None:
    found = compared(sides(6, missing=0.05))
    assert (found.outcome, found.component, found.direction) == (Outcome.FAIL, "missing", 1)
    assert found.tolerance == 0.005


def test_a_category_fails_by_its_name() -> None:
    found = compared(sides(12, 0.5, which=1))
    assert found.outcome is Outcome.FAIL
    assert found.component.startswith("= k")


def test_equal_sides_pass_after_the_windows_that_are_asked_for() -> None:
    pair = sides(24)
    found = compared(pair)
    assert (found.outcome, found.windows, found.passed) == (Outcome.PASS, 24, 1.0)
    assert compared(replace(pair, least_windows=25)).outcome is Outcome.HOLD
    first = compared(replace(pair, stable=pair.stable[:1], candidate=pair.candidate[:1]))
    assert first.outcome is Outcome.HOLD


def test_one_odd_window_is_no_failure() -> None:
    quiet, odd = sides(6), sides(6, 3.0)
    candidate = quiet.candidate.copy()
    candidate[2] = odd.candidate[2]
    assert compared(replace(quiet, candidate=candidate)).outcome is not Outcome.FAIL


def test_a_failure_is_final() -> None:
    bad, good = sides(4, 0.5), sides(40)
    joined = replace(
        bad,
        stable=np.concatenate([bad.stable, good.stable]),
        candidate=np.concatenate([bad.candidate, good.candidate]),
    )
    first, later = compared(bad), compared(joined)
    assert later.outcome is first.outcome is Outcome.FAIL
    assert later.windows == first.windows


def test_common_movement_cancels() -> None:
    truth = WORLD.truth(24, 500, seed=1)
    truth.mean = truth.mean + np.linspace(0.0, 1.0, 24)
    moved = Pair(
        column=NUMBER, stable=WORLD.counts(truth, 2)[0], candidate=WORLD.counts(truth, 3)[0]
    )
    assert compared(moved).outcome is not Outcome.FAIL


def test_windows_with_few_rows_on_a_side_are_not_judged() -> None:
    pair = sides(8, 2.0)
    assert compared(replace(pair, candidate=_thinned(pair.candidate))).windows == 0
    empty = replace(pair, candidate=np.zeros_like(pair.candidate))
    found = compared(empty)
    assert (found.outcome, found.windows, found.effect) == (Outcome.HOLD, 0, None)


def test_rows_of_one_request_count_once_without_a_baseline() -> None:
    pair = sides(8, 2.0)
    batches = [side.copy() for side in (pair.stable, pair.candidate)]
    for side in batches:
        side[:, Total.REQUESTS - len(Total)] = 20  # of 25 rows each
    assert compared(replace(pair, stable=batches[0], candidate=batches[1])).windows == 0


def test_a_smaller_share_of_the_budget_needs_more_evidence() -> None:
    pair = sides(4, 0.5)
    whole, small = compared(pair), compared(replace(pair, share=1e-9))
    assert whole.outcome is Outcome.FAIL
    assert small.windows >= whole.windows


def _thinned(vectors: Floats) -> Floats:
    return np.asarray(vectors * 0.05)
