from collections.abc import Container
from datetime import date

import numpy as np
import pytest

from nilometer.alert.calibrated.normal import Fitted, fit
from nilometer.alert.calibrated.slots import HOLIDAY, Calendar, Slots

DAY = 288
MONDAY = 1_750_636_800


def slots_of(windows: int, holidays: Container[date] = ()) -> Slots:
    starts = (MONDAY + np.arange(windows, dtype=np.int64) * 300) * 10**9
    return Calendar(window_seconds=300, holidays=holidays).slots(starts)


def fitted(x: np.ndarray, rows: np.ndarray, holidays: Container[date] = ()) -> Fitted:
    sampling = 1 / rows[:, None]
    found = fit(x, sampling, rows, slots_of(len(x), holidays), np.ones(len(x), bool))
    assert found is not None
    return found


def noise(days: int, rows: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two components that move by sampling noise alone."""
    rng = np.random.default_rng(seed)
    many = np.full(days * DAY, rows)
    return rng.normal(size=(len(many), 2)) / np.sqrt(rows), many


def test_sampling_noise_alone_is_the_variance() -> None:
    x, rows = noise(7, 500)
    normal = fitted(x, rows).normal
    slots = slots_of(len(x))
    ratio = normal.variance(1 / rows[:, None], slots).mean(axis=0) * 500
    assert (ratio >= 1.0).all()
    assert ratio == pytest.approx(1.0, abs=0.35)
    assert np.abs(normal.mu(slots)).max() < 0.02


def test_a_daily_swing_is_learned() -> None:
    x, rows = noise(7, 500)
    swing = 0.3 * np.sin(2 * np.pi * np.arange(len(x)) / DAY)
    normal = fitted(x + swing[:, None], rows).normal
    error = normal.mu(slots_of(len(x)))[:, 0] - swing
    assert np.abs(error).max() < 0.08
    assert np.sqrt((error**2).mean()) < 0.02


def test_a_weekend_is_learned_once_two_of_its_days_were_seen() -> None:
    x, rows = noise(14, 2000)
    slots = slots_of(len(x))
    weekend = 0.2 * (slots.kind == 1)
    normal = fitted(x + weekend[:, None], rows).normal
    assert (normal.mu(slots)[:, 0] - weekend) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(("days", "learned"), [((25, 26), True), ((25,), False)])
def test_a_holiday_is_learned_once_two_were_seen(days: tuple[int, ...], *, learned: bool) -> None:
    holidays = {date(2025, 6, day) for day in days}
    x, rows = noise(14, 2000)
    slots = slots_of(len(x), holidays)
    is_holiday = slots.kind == HOLIDAY
    normal = fitted(x + 0.2 * is_holiday[:, None], rows, holidays).normal
    offset = normal.mu(slots)[is_holiday].mean() - normal.mu(slots)[~is_holiday].mean()
    assert (offset > 0.15, abs(offset) < 0.05) == (learned, not learned)


def test_without_a_season_none_is_invented() -> None:
    """What slots add is shrunk to nearly nothing: it would only cost variance."""
    x, rows = noise(7, 500, seed=4)
    normal = fitted(x, rows).normal
    assert np.abs(normal.moment).max() < 0.01
    assert normal.error == pytest.approx(0.0, abs=2e-4)


def test_rows_that_come_in_clusters_widen_the_variance() -> None:
    x, rows = noise(7, 100)
    normal = fitted(x, rows).normal
    clustered = fitted(x * np.sqrt(5.0), rows).normal
    slots = slots_of(len(x))
    one, five = (n.variance(1 / rows[:, None], slots).mean() for n in (normal, clustered))
    assert five / one == pytest.approx(5.0, rel=0.1)


def test_neighbours_that_resemble_each_other_widen_the_variance() -> None:
    rng = np.random.default_rng(0)
    level, x = np.zeros(2), []
    for _ in range(7 * DAY):
        level = 0.8 * level + rng.normal(size=2) * np.sqrt(1 - 0.64)
        x.append(level)
    normal = fitted(np.array(x) / np.sqrt(500), np.full(7 * DAY, 500.0)).normal
    assert normal.inflation == pytest.approx(9.0, rel=0.35)  # (1 + .8) / (1 - .8)
    assert (normal.degrees < 400).all()


def test_two_kinds_of_variance_are_told_apart_by_volume() -> None:
    rng = np.random.default_rng(1)
    rows = rng.choice([50.0, 200.0, 2000.0], 14 * DAY)
    deviation = np.sqrt(3 / rows + 0.01)
    x = rng.normal(size=(len(rows), 2)) * deviation[:, None]
    normal = fitted(x, rows).normal
    assert normal.phi == pytest.approx(3.0, rel=0.2)
    assert normal.tau2 == pytest.approx(0.01, rel=0.2)


def test_incidents_do_not_teach() -> None:
    x, rows = noise(7, 500)
    x[700:712] += 1.0
    found = fitted(x, rows)
    assert not found.used[700:712].any()
    assert found.dropped == pytest.approx(12 / len(x), rel=0.3)
    quiet = fitted(noise(7, 500)[0], rows).normal
    assert found.normal.inflation == pytest.approx(quiet.inflation, rel=0.1)


def test_what_jumps_at_the_same_time_every_day_is_no_incident() -> None:
    x, rows = noise(7, 500)
    at = np.arange(len(x)) % DAY == 100
    x[at] += 3.0
    found = fitted(x, rows)
    assert found.dropped == 0
    assert found.normal.mu(slots_of(len(x)))[at] == pytest.approx(3.0, abs=0.4)


def test_a_baseline_full_of_incidents_is_unstable() -> None:
    x, rows = noise(7, 500)
    rng = np.random.default_rng(2)
    x[rng.random(len(x)) < 0.2] += 2.0
    assert fitted(x, rows).unstable


def test_movement_from_day_to_day_enters_the_tolerance() -> None:
    x, rows = noise(7, 500)
    rng = np.random.default_rng(3)
    x += np.repeat(rng.normal(size=(7, 2)) * 0.1, DAY, axis=0)
    wander = fitted(x, rows).normal.wander
    assert (wander > 0.2).all()
    assert (fitted(noise(7, 500)[0], rows).normal.wander < 0.05).all()


@pytest.mark.parametrize("windows", [0, 1, 4])
def test_too_few_windows_are_no_baseline(windows: int) -> None:
    x, rows = noise(1, 500)
    teach = np.zeros(len(x), bool)
    teach[:windows] = True
    assert fit(x, 1 / rows[:, None], rows, slots_of(len(x)), teach) is None
