"""The phases follow the calendar of the traffic, and say in advance when the next one begins."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from support.judged_windows import START_NS, World

from nilometer.alert.calibrated.baseline import learn
from nilometer.alert.calibrated.life_cycle import Phase, Progress, has_moved, progress
from nilometer.alert.calibrated.slots import Calendar, Slots
from nilometer.alert.calibrated.tolerance import Tolerance

DAY = 288
FIRST_DAY = START_NS // (86_400 * 10**9)
Busy: TypeAlias = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]


def slots_of(windows: int, seconds: int = 300) -> Slots:
    starts = START_NS + np.arange(windows, dtype=np.int64) * seconds * 10**9
    return Calendar(window_seconds=seconds).slots(starts)


def after(days: float, busy: Busy, seconds: int = 300) -> Progress:
    """The progress *days* days after the first window with traffic.

    *busy* gets the days, 0 for the Monday of `START_NS`, and the windows of the day.
    """
    slots = slots_of(8 * 86_400 // seconds, seconds)
    first = int(busy(slots.day - FIRST_DAY, slots.moment).argmax())
    slots = slots_of(first + round(days * 86_400 / seconds), seconds)
    mask = busy(slots.day - FIRST_DAY, slots.moment)
    return progress(slots, mask, mask)


def reached(busy: Busy, seconds: int = 300) -> tuple[int, int, int]:
    """The days after which a baseline judges, is active, and is frozen."""
    found: dict[str, int] = {}
    for day in range(1, 120):
        now = after(day, busy, seconds)
        if now.phase is not Phase.LEARNING:
            found.setdefault("judges", day)
        if now.phase is Phase.ACTIVE:
            found.setdefault("active", day)
        if now.frozen:
            found.setdefault("frozen", day)
            break
    return found["judges"], found["active"], found["frozen"]


TRAFFIC: dict[str, tuple[Busy, int, tuple[int, int, int]]] = {
    "always": (lambda day, _: day >= 0, 300, (1, 8, 14)),
    "by day": (lambda _, moment: (moment >= 96) & (moment < 216), 300, (1, 8, 14)),
    "two hours a day": (lambda _, moment: (moment >= 120) & (moment < 144), 300, (1, 8, 14)),
    "on weekdays": (lambda day, _: day % 7 < 5, 300, (1, 13, 14)),
    "on weekdays by day": (
        lambda day, moment: (day % 7 < 5) & (moment >= 96) & (moment < 216),
        300,
        (1, 13, 14),
    ),
    "at weekends": (lambda day, _: day % 7 >= 5, 300, (1, 15, 30)),
    "a pause of two weeks": (lambda day, _: (day < 3) | (day >= 17), 300, (1, 21, 24)),
    "a batch a day": (lambda _, moment: moment == 24, 300, (5, 5, 14)),
    "a batch a week": (lambda day, moment: (day % 7 == 2) & (moment == 24), 300, (29, 29, 92)),
    "few rows, a window a day": (lambda day, _: day >= 0, 86_400, (5, 5, 14)),
    "every ten minutes": (lambda _, moment: moment % 2 == 0, 300, (1, 8, 14)),
}


@pytest.mark.parametrize("name", TRAFFIC)
def test_each_kind_of_traffic_becomes_active_and_frozen(name: str) -> None:
    busy, seconds, days = TRAFFIC[name]
    assert reached(busy, seconds) == days


@pytest.mark.parametrize("name", TRAFFIC)
def test_a_baseline_never_goes_back(name: str) -> None:
    busy, seconds, (_, _, end) = TRAFFIC[name]
    seen = [after(day, busy, seconds) for day in range(1, end + 21)]
    ranks = [(list(Phase).index(one.phase), one.frozen) for one in seen]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("name", TRAFFIC)
def test_the_time_is_known_once_a_week_was_seen(name: str) -> None:
    busy, seconds, (_, active, frozen) = TRAFFIC[name]
    for day in range(8 if name != "a pause of two weeks" else 24, frozen):
        now = after(day, busy, seconds)
        assert now.freeze_left == frozen - day
        if now.phase is Phase.COARSE:
            assert now.days_left == active - day


def test_the_first_prediction_expects_traffic_every_day() -> None:
    first = after(1, TRAFFIC["always"][0])
    assert (first.days_left, first.freeze_left) == (7, 13)
    assert after(0.5, TRAFFIC["always"][0]).days_left == 1


def test_a_pause_has_no_known_end() -> None:
    busy, _, _ = TRAFFIC["a pause of two weeks"]
    paused = after(12, busy)
    assert (paused.days_left, paused.freeze_left) == (None, None)


def test_windows_that_must_not_teach_are_traffic_but_no_days_of_learning() -> None:
    slots = slots_of(9 * DAY)
    busy = np.ones(9 * DAY, bool)
    teach = slots.day < slots.day[0] + 4
    assert progress(slots, busy, teach).phase is Phase.COARSE


def test_tolerances_are_wider_while_it_is_coarse() -> None:
    assert (Phase.COARSE.factor, Phase.ACTIVE.factor) == (3.0, 1.0)


def test_a_refit_that_moves_a_mean_is_noticed() -> None:
    world = World(1)
    vectors = world.counts(world.truth(3 * DAY, 500))[0]
    slots = slots_of(3 * DAY)
    before = learn(world.columns[0], vectors, slots, np.ones(len(vectors), bool))
    assert before.smooth is not None
    assert not has_moved(before, before, slots, Tolerance())
    for step, moved in ((0.04, False), (0.06, True)):
        later = replace(before, smooth=replace(before.smooth, mean=before.smooth.mean + step))
        assert has_moved(before, later, slots, Tolerance()) is moved
