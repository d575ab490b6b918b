"""Incidents of the default alerter that an agent has opened, and that no episode has joined yet.

When the collector answers again, it judges the stored windows of all agents. If it opens no episode, all
traffic together shows no drift, and nobody but the agent can resolve the incident. The plan of the agent
tells it a minute late of an episode. So the agent looks once more after it has resolved an incident, and
opens it again if an episode had joined it by then.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from nilometer.alert import Evaluation
from nilometer_agent.uplink.plan import Contact

SECONDS = 7200.0  # time with answers of the collector, in which it judges what was stored
FORGET_SECONDS = 86_400.0  # time after which an incident is left to people
# Time after an incident was resolved in which the plan can still tell of an episode that had joined it:
# the collector packs baselines once a minute, and the agent looks once a minute. An episode lasts longer.
LOOK_SECONDS = 180.0
MOST = 1000  # incidents that are followed; further ones are left to people

NewestOpened = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class _Incident:
    entity: str
    number: int
    evaluation: Evaluation
    at: float  # when it was told, or resolved, monotonic seconds


class Unconfirmed:
    """Follows the incidents. Only the thread of the direct alerts may call.

    Args:
        contact: Function that returns when the collector last answered.
        newest_opened: Function from an entity to the number of the newest episode that the collector
            has opened; None if it is unknown.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        contact: Callable[[], Contact],
        newest_opened: NewestOpened,
        monotonic: Callable[[], float],
    ) -> None:
        self._contact = contact
        self._newest_opened = newest_opened
        self._monotonic = monotonic
        self._incidents: dict[str, _Incident] = {}
        self._resolved: dict[str, _Incident] = {}
        self._answered_at: float | None = None  # since when the collector answers

    def told(self, key: str, evaluation: Evaluation, number: int) -> None:
        """Follow the incident *key* of *evaluation*, which the episode *number* would join."""
        self._answered_at = None
        if len(self._incidents) < MOST:
            entity = evaluation.alerter.entity
            self._incidents[key] = _Incident(entity, number, evaluation, self._monotonic())

    def due(self) -> list[str]:
        """Return the keys of the incidents to resolve. Call it once a minute or more often."""
        now = self._monotonic()
        if not self._incidents or self._contact().until is not None:
            self._answered_at = None
            return []
        if self._answered_at is None:
            self._answered_at = now
        if now - self._answered_at < SECONDS:
            return []
        found = []
        for key, one in list(self._incidents.items()):
            newest = self._newest_opened(one.entity)
            if newest is None and now - one.at < FORGET_SECONDS:
                continue
            if newest is None or newest >= one.number:
                self.done(key)  # the collector resolves it, or a person
            else:
                found.append(key)
        return found

    def resolved(self, key: str) -> None:
        """Look once more whether an episode had joined the incident *key*, which was resolved now."""
        self._resolved[key] = replace(self._incidents.pop(key), at=self._monotonic())

    def joined(self) -> list[tuple[str, Evaluation]]:
        """Return the incidents that an episode had joined when they were resolved."""
        now = self._monotonic()
        self._resolved = {
            key: one for key, one in self._resolved.items() if now - one.at < LOOK_SECONDS
        }
        return [
            (key, one.evaluation)
            for key, one in self._resolved.items()
            if self._newest_opened(one.entity) == one.number
        ]

    def done(self, key: str) -> None:
        """Follow the incident *key* no longer."""
        self._incidents.pop(key, None)
        self._resolved.pop(key, None)
