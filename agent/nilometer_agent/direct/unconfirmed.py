"""Incidents of the default alerter that an agent has opened, and that no episode has joined yet.

When the collector answers again, it judges the stored windows of all agents. If it opens no episode, all
traffic together shows no drift, and nobody but the agent can resolve the incident.
"""

from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 7200.0  # time with answers of the collector, in which it judges what was stored
FORGET_SECONDS = 86_400.0  # time after which an incident is left to people
MOST = 1000  # incidents that are followed; further ones are left to people

NewestOpened = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class _Incident:
    entity: str
    number: int
    told_at: float


class Unconfirmed:
    """Follows the incidents. Only the thread of the direct alerts may call.

    Args:
        is_away: Function that returns whether the collector did not answer the last request.
        newest_opened: Function from an entity to the number of the newest episode that the collector
            has opened; None if it is unknown.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        is_away: Callable[[], bool],
        newest_opened: NewestOpened,
        monotonic: Callable[[], float],
    ) -> None:
        self._is_away = is_away
        self._newest_opened = newest_opened
        self._monotonic = monotonic
        self._incidents: dict[str, _Incident] = {}
        self._answered_at: float | None = None  # since when the collector answers

    def told(self, key: str, entity: str, number: int) -> None:
        """Follow the incident *key*, which the episode *number* of *entity* would join."""
        self._answered_at = None
        if len(self._incidents) < MOST:
            self._incidents[key] = _Incident(entity, number, self._monotonic())

    def due(self) -> list[str]:
        """Return the keys of the incidents to resolve. Call it once a minute or more often."""
        now = self._monotonic()
        if not self._incidents or self._is_away():
            self._answered_at = None
            return []
        if self._answered_at is None:
            self._answered_at = now
        if now - self._answered_at < SECONDS:
            return []
        found = []
        for key, one in list(self._incidents.items()):
            newest = self._newest_opened(one.entity)
            if newest is None and now - one.told_at < FORGET_SECONDS:
                continue
            if newest is None or newest >= one.number:
                self.done(key)  # the collector resolves it, or a person
            else:
                found.append(key)
        return found

    def done(self, key: str) -> None:
        """Follow the incident *key* no longer."""
        self._incidents.pop(key, None)
