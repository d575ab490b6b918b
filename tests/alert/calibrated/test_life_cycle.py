from dataclasses import replace

import numpy as np
import pytest
from support.judged_windows import START_NS, World

from nilometer.alert.calibrated.baseline import learn
from nilometer.alert.calibrated.life_cycle import Phase, has_moved, progress
from nilometer.alert.calibrated.slots import Calendar, Slots
from nilometer.alert.calibrated.tolerance import Tolerance

DAY = 288


def slots_of(windows: int, seconds: int = 300) -> Slots:
    starts = START_NS + np.arange(windows, dtype=np.int64) * seconds * 10**9
    return Calendar(window_seconds=seconds).slots(starts)


@pytest.mark.parametrize(
    ("days", "phase", "frozen"),
    [
        (0.5, Phase.LEARNING, False),
        (1, Phase.COARSE, False),
        (7.9, Phase.COARSE, False),
        (8, Phase.ACTIVE, False),
        (14, Phase.ACTIVE, True),
    ],
)
def test_a_baseline_grows_up(days: float, phase: Phase, frozen: bool) -> None:  # noqa: FBT001
    windows = int(days * DAY)
    found = progress(slots_of(windows), np.ones(windows, bool))
    assert (found.phase, found.frozen) == (phase, frozen)


def test_it_stays_coarse_until_a_weekend_was_seen() -> None:
    slots = slots_of(9 * DAY)
    weekdays = slots.kind == 0
    slots = slots_of(12 * DAY)
    assert progress(slots, np.resize(weekdays, 12 * DAY) & (slots.kind == 0)).phase is Phase.COARSE


def test_tolerances_are_wider_while_it_is_coarse() -> None:
    assert (Phase.COARSE.factor, Phase.ACTIVE.factor) == (3.0, 1.0)


def test_a_daily_batch_is_judged_after_five_windows() -> None:
    for windows, phase in ((4, Phase.LEARNING), (5, Phase.ACTIVE)):
        found = progress(slots_of(windows, 86_400), np.ones(windows, bool))
        assert found.phase is phase


def test_a_refit_that_moves_a_mean_is_noticed() -> None:
    world = World(1)
    vectors = world.counts(world.truth(3 * DAY, 500))[0]
    slots = slots_of(3 * DAY)
    before = learn(world.columns[0], vectors, slots, np.ones(len(vectors), bool))
    assert before.smooth is not None
    assert not has_moved(before, before, slots, Tolerance())
    for step, moved in ((0.04, False), (0.06, True)):
        after = replace(before, smooth=replace(before.smooth, mean=before.smooth.mean + step))
        assert has_moved(before, after, slots, Tolerance()) is moved
