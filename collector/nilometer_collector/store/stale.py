"""Decides which parts of each level are stale, and when a stale part is due."""

from collections.abc import Iterable, Mapping

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.levels import ROLLED_UP, Level
from nilometer_collector.store.protocol import SETTLE_SECONDS
from nilometer_collector.store.records import Part

SETTLE_NS = int(SETTLE_SECONDS * NANOSECONDS)


def due_ns(level: Level, end_ns: int, now_ns: int) -> int:
    """Return when a window of *level* should be rolled up after a sample arrived at *now_ns*.

    An open window waits for its end, so that it is rolled up only once. It waits for at most the
    length of the level's windows, because a sample may be from the future.

    Args:
        level: Level of the window.
        end_ns: End of the window.
        now_ns: Time of arrival of the sample.
    """
    return max(now_ns, min(end_ns, now_ns + level.length_ns)) + SETTLE_NS


def part_of(part: Part, level: Level) -> Part:
    """Return the part of *level* into which *part* is merged."""
    return part._replace(level=level, window=level.window_of(part.window))


def parts_to_replace(marked: Iterable[Part], level: Level) -> Mapping[Level, frozenset[Part]]:
    """Return the parts up to *level* whose samples must be read from the finer level.

    A part lacks samples if it is stale, or if a finer part in it is stale.

    Args:
        marked: Stale parts of all levels.
        level: Coarsest level to read.
    """
    stale = list(marked)
    found: dict[Level, frozenset[Part]] = {}
    lower: frozenset[Part] = frozenset()
    for one in ROLLED_UP:
        if one.length_ns > level.length_ns:
            break
        own = (part for part in stale if part.level is one)
        found[one] = lower = frozenset([*own, *(part_of(part, one) for part in lower)])
    return found
