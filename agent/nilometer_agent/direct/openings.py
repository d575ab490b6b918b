"""Openings of incidents that the collector may not know, from when they are seen until they are told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from nilometer.alert import Evaluation
from nilometer_agent.uplink.plan import CUT_OFF_WINDOWS, Contact

MOST = 1000  # openings that are kept; further ones are left to the collector
# The collector knows an opening after it has answered for so long since. The agent asks for its plan
# every 10 s and waits 5 s, so it misses a collector well within this time.
KNOWN_SECONDS = 60.0
FORGET_SECONDS = 1.0  # between two searches for openings to forget, each of which looks at all


@dataclass(frozen=True, slots=True)
class Opening:
    """An opening of an incident.

    Attributes:
        evaluation: Evaluation that opened it.
        seen: When it was seen, monotonic seconds.
        window_seconds: Length of the windows of which `CUT_OFF_WINDOWS` must pass without an answer
            before it is told.
        number: Number of the episode of the default alerter; None for other alerters.
    """

    evaluation: Evaluation
    seen: float
    window_seconds: float
    number: int | None = None


class Openings:
    """Keeps openings by the key of their incident, the oldest first. Thread-safe.

    Args:
        contact: Function that returns when the collector last answered.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, contact: Callable[[], Contact], monotonic: Callable[[], float]) -> None:
        self._contact = contact
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, Opening] = {}
        self._forgot = monotonic()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def add(self, key: str, opening: Opening) -> bool:
        """Keep *opening*, in the place of an older one of the incident *key*.

        Returns:
            False if there is no room, so that it is left to the collector. The default alerter always
            has room, because each of its openings is an episode of a whole entity.
        """
        with self._lock:
            if len(self._kept) >= MOST and self._monotonic() - self._forgot >= FORGET_SECONDS:
                self._forget()
            has_room = len(self._kept) < MOST or key in self._kept or opening.number is not None
            if has_room:
                self._kept[key] = opening
        return has_room

    def closed(self, key: str) -> None:
        """Forget an opening whose episode has closed, unless it is to be told: somebody should know."""
        with self._lock:
            opening = self._kept.get(key)
            if opening is not None and not self._is_due(opening):
                del self._kept[key]

    def first(self) -> tuple[str, Opening] | None:
        """Return the oldest opening to tell, with its key; None if there is none."""
        with self._lock:
            self._forget()
            return next(((key, one) for key, one in self._kept.items() if self._is_due(one)), None)

    def told(self, key: str, opening: Opening) -> None:
        """Forget *opening*, unless a later one has replaced it."""
        with self._lock:
            if self._kept.get(key) is opening:
                del self._kept[key]

    def _is_due(self, opening: Opening) -> bool:
        until = self._contact().until
        if until is None:
            return False
        return self._monotonic() - until >= CUT_OFF_WINDOWS * opening.window_seconds

    def _forget(self) -> None:
        """Leave to the collector what it knows."""
        self._forgot, contact = self._monotonic(), self._contact()
        until = self._forgot if contact.until is None else contact.until
        known = until - KNOWN_SECONDS
        if contact.since <= known:
            self._kept = {key: one for key, one in self._kept.items() if one.seen > known}
