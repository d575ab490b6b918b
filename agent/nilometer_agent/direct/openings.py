"""Openings of incidents that the collector may not know, from when they are seen until they are told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from nilometer.alert import Evaluation
from nilometer_agent.uplink.plan import CUT_OFF_WINDOWS

MOST = 1000  # openings that are kept; further ones are left to the collector
# An episode that opened at most this long before the collector was missed may have reached nobody, so
# the agent tells it. The agent asks for its plan every 10 s and waits 5 s, so it misses a collector
# well within this time.
KNOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Opening:
    """An opening of an incident.

    Attributes:
        evaluation: Evaluation that opened it.
        since: Last monotonic second at which the collector cannot have known it.
        window_seconds: Length of the windows of which `CUT_OFF_WINDOWS` must pass without an answer
            before it is told; 0 to tell it in any outage.
        number: Number of the episode of the default alerter; None for other alerters.
    """

    evaluation: Evaluation
    since: float
    window_seconds: float = 0.0
    number: int | None = None


class Openings:
    """Keeps openings by the key of their incident, the oldest first. Thread-safe.

    Args:
        away_since: Function that returns since when the collector does not answer, in monotonic
            seconds; None if it answered the last request.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(
        self, away_since: Callable[[], float | None], monotonic: Callable[[], float]
    ) -> None:
        self._away_since = away_since
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, Opening] = {}

    def add(
        self,
        key: str,
        evaluation: Evaluation,
        *,
        window_seconds: float = 0.0,
        number: int | None = None,
    ) -> None:
        """Keep an opening, in the place of an older one of the incident *key*."""
        opening = Opening(evaluation, self._monotonic(), window_seconds, number)
        with self._lock:
            self._update()
            if key in self._kept or len(self._kept) < MOST:
                self._kept[key] = opening

    def closed(self, key: str) -> None:
        """Forget an opening whose episode has closed, unless it is to be told: somebody should know."""
        with self._lock:
            self._update()
            opening = self._kept.get(key)
            if opening is not None and not self._is_due(opening):
                del self._kept[key]

    def first(self) -> tuple[str, Opening] | None:
        """Return the oldest opening to tell, with its key; None if there is none."""
        with self._lock:
            self._update()
            return next(((key, one) for key, one in self._kept.items() if self._is_due(one)), None)

    def told(self, key: str, opening: Opening) -> None:
        """Forget *opening*, unless a later one has replaced it."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.evaluation is opening.evaluation:
                del self._kept[key]

    def _is_due(self, opening: Opening) -> bool:
        since = self._away_since()
        if since is None:
            return False
        return self._monotonic() - since >= CUT_OFF_WINDOWS * opening.window_seconds

    def _update(self) -> None:
        """Leave to the collector what it knows: what was seen long before it was missed."""
        now, away_since = self._monotonic(), self._away_since()
        known = (now if away_since is None else away_since) - KNOWN_SECONDS
        self._kept = {
            key: one if away_since is None else replace(one, since=now)
            for key, one in self._kept.items()
            if one.since > known
        }
