"""Turns cumulative points into differences.

A series is identified by resource, scope, start time and attributes. A point that is not newer than
the last one adds nothing. The first point of a series counts in full if the series began after this
agent. If the series began earlier, only its later points count, because an earlier agent may have
counted its past.
"""

import time
from dataclasses import dataclass
from typing import Any, TypeAlias

from nilometer.export.series import Distribution
from nilometer.profile.magnitudes import EMPTY
from nilometer_agent.sources.otlp.distributions import grew

MAX_SERIES = 2000  # series whose last state is stored
SERIES_SECONDS = (
    3600.0  # after this time of silence, a series is forgotten when there is no room for new ones
)

SeriesKey: TypeAlias = tuple[object, ...]

_NOTHING = Distribution(EMPTY, 0.0)


@dataclass(slots=True)
class _Cumulative:
    """The last state of a cumulative series, and when it arrived."""

    time_ns: int
    distribution: Distribution
    seen: float  # monotonic


class CumulativeSeries:
    """The last state of each series. The caller holds a lock.

    Args:
        started_ns: Start of the agent, Unix nanoseconds; the past of older series is not counted.
    """

    def __init__(self, started_ns: int) -> None:
        self._started_ns = started_ns
        self._last: dict[SeriesKey, _Cumulative] = {}

    def since_last(self, key: SeriesKey, point: Any, read: Distribution) -> Distribution | None:
        """Return the increase since the previous point; None without room for the series."""
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
            return read  # counts decreased: the sender restarted, but kept its start time
        return read.since(before.distribution)

    def _has_room(self, now: float) -> bool:
        """Whether there is room for another series, after idle series are forgotten."""
        if len(self._last) >= MAX_SERIES:
            old = now - SERIES_SECONDS
            self._last = {key: one for key, one in self._last.items() if one.seen > old}
        return len(self._last) < MAX_SERIES
