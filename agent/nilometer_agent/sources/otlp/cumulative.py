"""Cumulative points as differences.

A series is that of a resource, a scope, a start time and attributes; a point that is no newer than
the last one says nothing. A series that is seen for the first time counts from there on if it began
before this agent did - its past may have been counted by the one before - and in whole if it began
later.
"""

import time
from dataclasses import dataclass
from typing import Any, TypeAlias

from nilometer.export.series import Distribution
from nilometer.profile.service import EMPTY
from nilometer_agent.sources.otlp.distributions import grew

MAX_SERIES = 2000  # whose last cumulative state is kept
SERIES_SECONDS = 3600.0  # that tell nothing, and are forgotten where there is no room for new ones

SeriesKey: TypeAlias = tuple[object, ...]

_NOTHING = Distribution(EMPTY, 0.0)


@dataclass(slots=True)
class _Cumulative:
    """The last state of a cumulative series, and when it came."""

    time_ns: int
    distribution: Distribution
    seen: float  # monotonic


class CumulativeSeries:
    """The last state of each series. The caller holds a lock.

    Args:
        started_ns: A series that began before is not counted from its beginning.
    """

    def __init__(self, started_ns: int) -> None:
        self._started_ns = started_ns
        self._last: dict[SeriesKey, _Cumulative] = {}

    def since_last(self, key: SeriesKey, point: Any, read: Distribution) -> Distribution | None:
        """What a cumulative point adds to the one before; None where there is no room to keep it."""
        now = time.monotonic()
        before = self._last.get(key)
        if before is None and not self._has_room(now):
            return None
        if before is not None and point.time_unix_nano <= before.time_ns:
            return _NOTHING
        self._last[key] = _Cumulative(point.time_unix_nano, read, now)
        if before is None:
            return read if point.start_time_unix_nano >= self._started_ns else _NOTHING
        if not grew(before.distribution.histogram, read.histogram):
            return read  # a restart that kept its start time
        return read.since(before.distribution)

    def _has_room(self, now: float) -> bool:
        """Whether one more series may be kept; those that told nothing for long make room."""
        if len(self._last) >= MAX_SERIES:
            old = now - SERIES_SECONDS
            self._last = {key: one for key, one in self._last.items() if one.seen > old}
        return len(self._last) < MAX_SERIES
