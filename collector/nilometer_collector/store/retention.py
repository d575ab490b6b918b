"""From which day of arrival each level is held, after what is too old was given up."""

from collections.abc import Mapping

from nilometer_collector.store.levels import DAY_NS, LEVELS, Level


def retired(
    now_ns: int,
    keep_ns: Mapping[Level, int],
    held_from: Mapping[Level, int],
    waiting: Mapping[Level, int],
) -> Mapping[Level, int]:
    """Return the first day of arrival that each level will hold.

    A day is given up when all of it is older than the level is kept, and when nothing that arrived on
    it waits to be rolled up from the level. So the next coarser level has all of it by then. A level
    never gives up a day before the finer ones do, and never takes one back.

    Args:
        now_ns: Wall time.
        keep_ns: Time in nanoseconds to keep each level.
        held_from: First day that each level holds now.
        waiting: First day of which a part is stale, for each level that has stale parts.
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
