"""Computes from which day of arrival each level is kept."""

from collections.abc import Mapping

from nilometer_collector.store.levels import DAY_NS, LEVELS, Level


def retired(
    now_ns: int,
    keep_ns: Mapping[Level, int],
    held_from: Mapping[Level, int],
    waiting: Mapping[Level, int],
) -> Mapping[Level, int]:
    """Return the first day of arrival that each level will contain.

    A day is removed from a level when all of it is older than the level's retention, and no sample
    that arrived on it waits to be rolled up from the level. So the next coarser level contains all
    of it by then. A level never removes a day before the finer levels do, and never restores one.

    Args:
        now_ns: Wall time, Unix nanoseconds.
        keep_ns: Time in nanoseconds for which each level is kept.
        held_from: First day that each level contains now.
        waiting: First day with a stale part, for each level that has stale parts.
    """
    found: dict[Level, int] = {}
    until = now_ns // DAY_NS
    for level in LEVELS:
        needed = LEVELS[: LEVELS.index(level) + 2]
        until = min(
            until,
            (now_ns - keep_ns[level]) // DAY_NS,
            *(waiting[one] for one in needed if one in waiting),
        )
        found[level] = max(held_from[level], until)
    return found
