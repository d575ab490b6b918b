"""Chooses the level of the store at which a span of time is read."""

from collections.abc import Sequence
from typing import NamedTuple

from nilometer_collector.store import LEVELS, Level


class Span(NamedTuple):
    """``[start_ns, end_ns)``, read at *level* or finer."""

    start_ns: int
    end_ns: int
    level: Level


def level_for(step_ns: int, levels: Sequence[Level] = LEVELS) -> Level:
    """Return the coarsest of *levels* whose windows divide windows of *step_ns*."""
    dividing = (one for one in reversed(levels) if one.length_ns and step_ns % one.length_ns == 0)
    return next(dividing, Level.SHIPPED)


def spans_of(start_ns: int, end_ns: int, levels: Sequence[Level] = LEVELS) -> list[Span]:
    """Divide [start_ns, end_ns) into spans, each at the coarsest level that fits it exactly.

    The middle is read at the coarsest level, and the rest at both ends at finer levels.

    >>> day = Level.DAY.length_ns
    >>> [span.level.value for span in spans_of(day - Level.HOUR.length_ns, 3 * day)]
    ['1h', '1d']
    """
    if start_ns >= end_ns:
        return []
    *finer, level = levels
    if not level.length_ns:
        return [Span(start_ns, end_ns, level)]
    first, last = up_to_multiple(start_ns, level.length_ns), end_ns - end_ns % level.length_ns
    if first >= last:
        return spans_of(start_ns, end_ns, finer)
    ends = (spans_of(start_ns, first, finer), spans_of(last, end_ns, finer))
    return [*ends[0], Span(first, last, level), *ends[1]]


def up_to_multiple(number: int, unit: int) -> int:
    """Return the smallest multiple of *unit* that is at least *number*."""
    return -(-number // unit) * unit
