"""Learns at which hours an entity has requests, and how long its usual pauses in these hours are."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from nilometer.alert.calibrated.slots import NS_PER_SECOND

HOUR_NS = 3600 * NS_PER_SECOND
KEPT_HOURS = 28 * 24  # hours whose traffic is remembered
SAME_DAYS = 4  # earlier days of the same weekday to look at
SAME_DAYS_BUSY = 3  # how many of them need traffic at the hour
LAST_DAYS = 7  # earlier days to look at
LAST_DAYS_BUSY = 6  # how many of them need traffic at the hour
PAUSE_DAYS = 7  # days whose longest pause is remembered
LEAST_PAUSE_DAYS = 3  # days of pauses that must be known before a silence is unusual
LEAST_SILENCE_NS = HOUR_NS  # shortest unusual silence: usual hours are only known by the hour
SILENCE_FACTOR = 3  # an unusual silence is this many times as long as the longest known pause

Pauses: TypeAlias = tuple[tuple[int, int], ...]  # (day, longest pause in nanoseconds), ascending


IsHoliday: TypeAlias = Callable[[int], bool]  # whether a time, in Unix nanoseconds, is on a holiday


def no_holiday(at_ns: int) -> bool:
    """Return False: without a calendar, no time is on a holiday."""
    del at_ns
    return False


def has_usual_traffic(hours: Sequence[int], hour: int) -> bool:
    """Return whether *hour* usually has traffic: on this weekday, or on most days.

    Args:
        hours: Hours since 1970 that had traffic.
        hour: Hour since 1970.
    """
    return _is_usual(frozenset(hours), hour)


def with_pause(
    pauses: Pauses,
    hours: Sequence[int],
    start_ns: int,
    end_ns: int,
    is_holiday: IsHoliday = no_holiday,
) -> Pauses:
    """Return *pauses* after a pause without requests that has ended.

    Args:
        pauses: Longest pause of each of the last days.
        hours: Hours since 1970 that had traffic.
        start_ns: End of the last window with data before the pause, Unix nanoseconds.
        end_ns: Start of the first window with data after it, Unix nanoseconds.
        is_holiday: Function that says which hours are on holidays; these do not count.
    """
    hour = end_ns // HOUR_NS
    if not _is_awaited(frozenset(hours), hour):
        return pauses
    longest = dict(pauses)
    day, pause_ns = hour // 24, _awaited_ns(hours, start_ns, end_ns, is_holiday)
    longest[day] = max(longest.get(day, 0), pause_ns)
    return tuple(sorted(longest.items()))[-PAUSE_DAYS:]


def unusual_silence_ns(pauses: Pauses) -> int | None:
    """Return the shortest unusual silence in nanoseconds; None while too few days are known."""
    if len(pauses) < LEAST_PAUSE_DAYS:
        return None
    return max(LEAST_SILENCE_NS, SILENCE_FACTOR * max(longest for _, longest in pauses))


def is_unusual(
    pauses: Pauses,
    hours: Sequence[int],
    start_ns: int,
    end_ns: int,
    is_holiday: IsHoliday = no_holiday,
) -> bool:
    """Return whether the silence from *start_ns* to *end_ns* is unusually long.

    Only the hours count that usually have requests, so nights, weekends and holidays do not.
    """
    limit_ns = unusual_silence_ns(pauses)
    if limit_ns is None or end_ns - start_ns <= limit_ns:
        return False
    return _awaited_ns(hours, start_ns, end_ns, is_holiday) > limit_ns


def _awaited_ns(hours: Sequence[int], start_ns: int, end_ns: int, is_holiday: IsHoliday) -> int:
    """Return the part of a time that lies in hours that usually have requests."""
    if start_ns >= end_ns:
        return 0
    known, start_ns = frozenset(hours), max(start_ns, end_ns - KEPT_HOURS * HOUR_NS)
    return sum(
        min((hour + 1) * HOUR_NS, end_ns) - max(hour * HOUR_NS, start_ns)
        for hour in range(start_ns // HOUR_NS, -(-end_ns // HOUR_NS))
        if _is_awaited(known, hour) and not is_holiday(hour * HOUR_NS)
    )


def _is_awaited(known: frozenset[int], hour: int) -> bool:
    """Return whether requests must come: usually, and a week ago, which leaves out free days."""
    return hour - 24 * 7 in known and _is_usual(known, hour)


def _is_usual(known: frozenset[int], hour: int) -> bool:
    weeks = sum(hour - 24 * 7 * back in known for back in range(1, SAME_DAYS + 1))
    days = sum(hour - 24 * back in known for back in range(1, LAST_DAYS + 1))
    return weeks >= SAME_DAYS_BUSY or days >= LAST_DAYS_BUSY
