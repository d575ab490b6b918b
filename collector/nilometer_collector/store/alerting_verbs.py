"""Alerters and episodes: the verbs that `Store.alerts` implements."""

from collections.abc import Collection, Sequence
from typing import Protocol

from nilometer.alert import Alerter, Evaluation
from nilometer.values.labels import ByKey
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.store.records import EpisodeRecord

MOST_EPISODES = 1000  # episodes in one response


class Alerts(Protocol):
    """Alerters, the state of each agent for each alerter, and episodes."""

    def put(self, alerter: Alerter, origin: str, now_ns: int) -> None:
        """Create or replace the alerter with this entity and name.

        It closes open episodes of summaries that the alerter no longer watches.
        """
        ...

    def named(self, origin: str) -> set[tuple[str, str]]:
        """Return (entity, name) of the alerters that were last put with this *origin*."""
        ...

    def delete(self, entity: str, name: str, now_ns: int) -> bool:
        """Delete an alerter and close its episodes; return False if it does not exist."""
        ...

    def alerters(self, entity: str | None = None) -> list[Alerter]:
        """List the alerters of all entities or of *entity*, by name; log unreadable alerters."""
        ...

    def unread_alerters(self, entity: str | None = None) -> list[tuple[Alerter, str]]:
        """List the alerters that cannot be read, each with the reason."""
        ...

    def evaluate(self, evaluations: Sequence[Evaluation], agent: str, now_ns: int) -> int:
        """Apply *evaluations* of the collector itself; return the number of deliveries queued."""
        ...

    def expire(self, now_ns: int, since_ns: int) -> int:
        """Close episodes that no agent judges any more; return the number of queued deliveries.

        An agent counts as gone after `SILENT_WINDOWS` of its windows, and at least
        `SILENT_SECONDS`, without an evaluation. Episodes of the default alerter are not affected.

        Args:
            now_ns: Wall time, Unix nanoseconds.
            since_ns: Wall time at which this collector started to listen, Unix nanoseconds.
        """
        ...

    def judged_until(self, entity: str, agent: str) -> dict[str, int]:
        """Return for each alerter of *entity* the end of the newest window that *agent* judged."""
        ...

    def judged(self) -> set[tuple[str, str]]:
        """Return each (entity, summary) that an alerter has judged at least once."""
        ...

    def statuses(self, entity: str | None = None) -> list[AlerterStatus]:
        """List the status of every judged series of all entities or of *entity*, by name."""
        ...

    def open_episodes(self) -> list[tuple[str, str]]:
        """List the (entity, summary) of every open episode."""
        ...

    def entities(self) -> set[str]:
        """Return the entities that have an alerter or an episode."""
        ...

    def episodes(
        self,
        entity: str | None = None,
        *,
        is_open: bool | None = None,
        among: Collection[str] | None = None,
        labels: ByKey = (),
    ) -> list[EpisodeRecord]:
        """List episodes with their history, newest first, at most `MOST_EPISODES`.

        Args:
            entity: Only episodes of this entity; None for all.
            is_open: Whether they are open; None for open and closed ones.
            among: Entities that the asker may see; None for all.
            labels: Allowed values by key. An episode has them if its own labels, or those of one of
                its parts, have one of the values for each key.
        """
        ...

    def openings(self, entity: str, since_ns: int) -> dict[str, int]:
        """Count the episodes of *entity* that opened since *since_ns*, by name of their alerter."""
        ...

    def episode(self, entity: str, number: int) -> EpisodeRecord | None:
        """Return one episode of *entity* with its history, however old; None if there is none."""
        ...
