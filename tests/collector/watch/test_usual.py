"""A silence is unusual only if it is long compared with the pauses that an entity usually has."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.memory import DAY_NS, Book, Memory
from nilometer_collector.watch.reporting import Hearing, report_of
from nilometer_collector.watch.usual import HOUR_NS

MONDAY_NS = 1_750_636_800 * 1_000_000_000
RULE = WatchRule()
WINDOWS = DAY_NS // BASE_NS  # base windows of a day


def run(
    days: float,
    has_request: Callable[[int], bool],
    *,
    is_live: bool = True,
    rule: WatchRule = RULE,
) -> list[bool]:
    """Return for each base window whether the silence is unusual then.

    Args:
        days: Length of the run in days, from a Monday on.
        has_request: Function that says whether window *n* has a request.
        is_live: Whether agents send the windows, and not a table.
        rule: Settings of the entity.
    """
    memory = Memory(begun_ns=MONDAY_NS, end_ns=MONDAY_NS, data_ns=MONDAY_NS, fitted_ns=MONDAY_NS)
    found, heard_ns = [], MONDAY_NS
    for number in range(round(days * WINDOWS)):
        memory = replace(memory, end_ns=memory.end_ns + BASE_NS)
        if has_request(number):
            memory, heard_ns = _sent(memory, rule, is_live=is_live), memory.end_ns
        hearing = Hearing(now_ns=memory.end_ns, heard_ns=heard_ns, started_ns=0)
        found.append(report_of(Book(), memory, rule, hearing).is_silent)
    return found


def _sent(memory: Memory, rule: WatchRule, *, is_live: bool) -> Memory:
    return memory.with_data([], is_live=is_live, is_holiday=rule.is_holiday)


def openings(silent: list[bool]) -> int:
    """Return how often a silence becomes unusual."""
    return sum(now and not before for before, now in zip([False, *silent], silent, strict=False))


def office(number: int) -> bool:
    """Return whether window *number* is on a weekday from 8 to 18 o'clock."""
    day, window = divmod(number, WINDOWS)
    return day % 7 < 5 and 8 * 12 <= window < 18 * 12


def at_random(minutes: float, seed: int, hours: Callable[[int], bool]) -> Callable[[int], bool]:
    """Return a stream with one request in *minutes* on average."""
    hit = np.random.default_rng(seed).random(60 * WINDOWS) < 1 - np.exp(-5 / minutes)
    return lambda number: bool(hit[number]) and hours(number)


@pytest.mark.parametrize("minutes", [2, 18, 60, 240])
@pytest.mark.parametrize("hours", [lambda _: True, office], ids=["always", "office"])
@pytest.mark.parametrize("seed", [1, 2])
def test_sparse_traffic_is_not_silence(
    minutes: float, hours: Callable[[int], bool], seed: int
) -> None:
    assert openings(run(42, at_random(minutes, seed, hours))) == 0


def test_a_request_each_14_to_22_minutes_is_not_silence() -> None:
    ends = np.cumsum(np.random.default_rng(1).uniform(14, 22, 5000)) // 5
    assert openings(run(28, set(ends.astype(int).tolist()).__contains__)) == 0


def test_an_outage_is_told_once_it_is_unusually_long() -> None:
    silent = run(20, lambda number: number < 15 * WINDOWS)
    assert silent.index(True) == 15 * WINDOWS + HOUR_NS // BASE_NS
    silent = run(29, lambda number: office(number) and number < 28 * WINDOWS)
    assert silent.index(True) == 28 * WINDOWS + 9 * 12  # an hour after the offices open


def test_a_pause_is_compared_with_the_longest_known_one() -> None:
    longest = 2 * HOUR_NS // BASE_NS

    def has_request(number: int) -> bool:
        is_pause = 6 * 12 <= number % WINDOWS < 6 * 12 + longest
        return number < 15 * WINDOWS + 12 * 12 and not (is_pause and number // WINDOWS == 10)

    silent = run(17, has_request)
    assert openings(silent) == 2
    assert silent.index(True, 11 * WINDOWS) == 15 * WINDOWS + 12 * 12 + 3 * longest


def test_nothing_is_unusual_before_the_pauses_are_known() -> None:
    assert not any(run(9, lambda number: number < 9 * WINDOWS - 100))


def test_pauses_are_not_learned_from_tables() -> None:
    assert not any(run(20, lambda number: number < 15 * WINDOWS, is_live=False))


def test_closed_days_are_no_silence() -> None:
    def is_sunday(number: int) -> bool:
        return number // WINDOWS % 7 == 6

    assert openings(run(42, lambda number: not is_sunday(number))) == 0


def test_a_silent_holiday_is_usual_and_no_pause_to_learn() -> None:
    free = (30, 31)  # the Wednesday and the Thursday of the fifth week

    def has_request(number: int) -> bool:
        return office(number) and number // WINDOWS not in free

    def is_cut_off(number: int) -> bool:
        return has_request(number) and number < 32 * WINDOWS + 12 * 12  # on the Friday at noon

    given = WatchRule(holidays=("2025-07-23", "07-24"))
    assert openings(run(37, has_request)) == 1
    assert openings(run(37, has_request, rule=given)) == 0
    assert openings(run(33, is_cut_off, rule=given)) == 1
