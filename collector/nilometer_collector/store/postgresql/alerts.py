"""Alerters and episodes in PostgreSQL."""

from collections.abc import Collection, Sequence
from functools import partial

from nilometer.alert import Alerter, AlertStatus, Evaluation
from nilometer.values.clock import SystemClock
from nilometer.values.labels import ByKey
from nilometer.values.window import Window
from nilometer.wire.alerts import alerter_to_bytes
from nilometer_collector.alerting.episodes import heard_since_ns
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.episodes import count_openings, read_episodes
from nilometer_collector.store.postgresql.judging import Judging
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.store.readable import readable, unreadable
from nilometer_collector.store.records import ALERTER_DELETED, SUMMARY_LEFT, EpisodeRecord
from nilometer_collector.store.rows import statuses_of
from nilometer_collector.store.unread_log import UnreadLog

_PUT = """
INSERT INTO alerters (entity, name, origin, deleted, updated_ns, payload)
VALUES (%(entity)s, %(name)s, %(origin)s, false, %(now)s, %(payload)s)
ON CONFLICT (entity, name) DO UPDATE SET deleted = false, origin = excluded.origin,
  updated_ns = excluded.updated_ns, payload = excluded.payload
"""
# Everything that changes an alerter locks its row first, and then rows of `judged` by their ids.
_LOCK = """
SELECT payload FROM alerters WHERE entity = %(entity)s AND name = %(name)s FOR UPDATE
"""
# A changed alerter has other limits, so it is no longer quiet.
_LOUD = """
UPDATE judged SET quiet_until_ns = 0 WHERE entity = %(entity)s AND id IN
  (SELECT id FROM judged WHERE entity = %(entity)s AND alerter = %(name)s AND quiet_until_ns > 0
   ORDER BY id FOR UPDATE)
"""
_SUMMARIES = """
SELECT DISTINCT summary FROM alert_states s JOIN judged j ON j.entity = s.entity AND j.id = s.judged
WHERE j.entity = %(entity)s AND j.alerter = %(name)s
"""
_DELETE = """
UPDATE alerters SET deleted = true, updated_ns = %(now)s
WHERE entity = %(entity)s AND name = %(name)s AND NOT deleted
"""
_JUDGED = """
SELECT DISTINCT j.entity, j.summary
FROM alert_states s JOIN judged j ON j.entity = s.entity AND j.id = s.judged
WHERE s.status <> %(learning)s
"""
_JUDGED_UNTIL = """
SELECT j.alerter, max(s.last_end_ns)
FROM alert_states s JOIN judged j ON j.entity = s.entity AND j.id = s.judged
WHERE s.entity = %(entity)s AND s.agent = %(agent)s GROUP BY j.alerter
"""
_STATUSES = """
SELECT j.entity, j.alerter, j.summary, j.labels_text,
       EXISTS (SELECT 1 FROM episodes e
               WHERE e.entity = j.entity AND e.judged = j.id AND e.closed_ns IS NULL),
       j.quiet_until_ns > 0, s.status, s.breaches, s.fines, s.since_ns, s.last_end_ns, s.reason,
       s.sentence, s.value, s.value_end_ns
FROM alert_states s JOIN judged j ON j.entity = s.entity AND j.id = s.judged
WHERE %(entity)s::text IS NULL OR j.entity = %(entity)s
ORDER BY j.entity, j.alerter, j.summary, j.labels_text
"""
_SET_OPEN = """
SELECT e.entity, e.judged, e.opened_ns,
       (SELECT t.window_start_ns FROM transitions t
        WHERE t.entity = e.entity AND t.episode = e.id ORDER BY t.id LIMIT 1)
FROM episodes e WHERE e.closed_ns IS NULL AND e.number IS NULL ORDER BY e.entity, e.judged
"""
_OPEN = """
SELECT j.entity, j.summary FROM episodes e JOIN judged j ON j.entity = e.entity AND j.id = e.judged
WHERE e.closed_ns IS NULL ORDER BY e.id
"""


class Alerts:
    """Reads and changes alerters, states and episodes.

    Args:
        database: Database with the alerters.
        turns: Writer for changes of episodes.
    """

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns
        self._judging = Judging(self._turns)
        self._unread = UnreadLog(SystemClock().monotonic)

    # Alerters

    def put(self, alerter: Alerter, origin: str, now_ns: int) -> None:
        """Create or replace the alerter with this entity and name."""
        self._database.write(lambda session: self.store(session, alerter, origin, now_ns))

    def named(self, origin: str) -> set[tuple[str, str]]:
        """Return (entity, name) of the alerters that were last put with this *origin*."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT entity, name FROM alerters WHERE origin = %(origin)s AND NOT deleted",
                {"origin": origin},
            )
        )
        return {(entity, name) for entity, name in rows}

    def delete(self, entity: str, name: str, now_ns: int) -> bool:
        """Delete an alerter and close its episodes; return False if it does not exist."""
        return self._database.write(lambda session: self.remove(session, entity, name, now_ns))

    def alerters(self, entity: str | None = None) -> list[Alerter]:
        """List the alerters of all entities or of *entity*, by name; log unreadable alerters."""
        return readable(self._payloads(entity), self._unread)

    def unread_alerters(self, entity: str | None = None) -> list[tuple[Alerter, str]]:
        """List the alerters that cannot be read, each with the reason."""
        return unreadable(self._payloads(entity))

    def _payloads(self, entity: str | None) -> list[bytes]:
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT payload FROM alerters WHERE NOT deleted "
                "AND (%(entity)s::text IS NULL OR entity = %(entity)s) ORDER BY entity, name",
                {"entity": entity},
            )
        )
        return [payload for (payload,) in rows]

    def store(self, session: Session, alerter: Alerter, origin: str, now_ns: int) -> None:
        """Do what `put` does inside a transaction."""
        key = {"entity": alerter.entity, "name": alerter.name}
        payload = alerter_to_bytes(alerter)
        stored = session.row(_LOCK, key)
        if stored is not None and stored[0] != payload:
            session.execute(_LOUD, key)
        session.execute(_PUT, {**key, "origin": origin, "now": now_ns, "payload": payload})
        judged = [summary for (summary,) in session.rows(_SUMMARIES, key)]
        left = [summary for summary in judged if not alerter.watches(summary)]
        if left:
            self._turns.forget(session, alerter.entity, alerter.name, SUMMARY_LEFT, now_ns, left)

    def remove(self, session: Session, entity: str, name: str, now_ns: int) -> bool:
        """Do what `delete` does inside a transaction."""
        if not session.execute(_DELETE, {"entity": entity, "name": name, "now": now_ns}):
            return False
        self._turns.forget(session, entity, name, ALERTER_DELETED, now_ns)
        return True

    # Evaluations

    def judge(
        self, session: Session, evaluations: Sequence[Evaluation], agent: str, now_ns: int
    ) -> int:
        """Apply *evaluations* inside a transaction; return the number of queued deliveries."""
        return self._judging.judge(session, evaluations, agent, now_ns)

    def evaluate(self, evaluations: Sequence[Evaluation], agent: str, now_ns: int) -> int:
        """Apply *evaluations* of the collector itself; return the number of deliveries queued."""
        return self._database.write(
            lambda session: self._judging.judge(session, evaluations, agent, now_ns)
        )

    def expire(self, now_ns: int, since_ns: int) -> int:
        """Close episodes that no agent judges any more; return the number of queued deliveries."""
        open_now = self._database.read(lambda session: session.rows(_SET_OPEN))
        late = [
            (entity, judged)
            for entity, judged, opened_ns, start_ns in open_now
            if since_ns < heard_since_ns(now_ns, Window(start_ns, max(opened_ns, start_ns + 1)))
        ]
        one = partial(self._turns.expire, now_ns=now_ns)
        return sum(
            self._database.write(partial(one, entity=entity, judged=judged))
            for entity, judged in late
        )

    def judged_until(self, entity: str, agent: str) -> dict[str, int]:
        """Return for each alerter of *entity* the end of the newest window that *agent* judged."""
        asked = {"entity": entity, "agent": agent}
        return dict(self._database.read(lambda session: session.rows(_JUDGED_UNTIL, asked)))

    def judged(self) -> set[tuple[str, str]]:
        """Return each (entity, summary) that an alerter has judged at least once."""
        asked = {"learning": AlertStatus.LEARNING.value}
        rows = self._database.read(lambda session: session.rows(_JUDGED, asked))
        return {(entity, summary) for entity, summary in rows}

    def statuses(self, entity: str | None = None) -> list[AlerterStatus]:
        """List the status of every judged series of all entities or of *entity*, by name."""
        rows = self._database.read(lambda session: session.rows(_STATUSES, {"entity": entity}))
        return statuses_of(rows)

    # Episodes

    def open_episodes(self) -> list[tuple[str, str]]:
        """List the (entity, summary) of every open episode."""
        rows = self._database.read(lambda session: session.rows(_OPEN))
        return [(entity, summary) for entity, summary in rows]

    def entities(self) -> set[str]:
        """Return the entities that have an alerter or an episode."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT entity FROM alerters WHERE NOT deleted UNION SELECT entity FROM episodes"
            )
        )
        return {entity for (entity,) in rows}

    def episodes(
        self,
        entity: str | None = None,
        *,
        is_open: bool | None = None,
        among: Collection[str] | None = None,
        labels: ByKey = (),
    ) -> list[EpisodeRecord]:
        """List episodes with their history, newest first, at most `MOST_EPISODES`."""
        return self._database.read(
            lambda session: read_episodes(
                session, entity, is_open=is_open, episode=None, among=among, labels=labels
            )
        )

    def openings(self, entity: str, since_ns: int) -> dict[str, int]:
        """Count the episodes of *entity* that opened since *since_ns*, by name of their alerter."""
        return self._database.read(lambda session: count_openings(session, entity, since_ns))

    def episode(self, entity: str, number: int) -> EpisodeRecord | None:
        """Return one episode of *entity* with its history, however old; None if there is none."""
        found = self._database.read(
            lambda session: read_episodes(session, entity, is_open=None, episode=number)
        )
        return next(iter(found), None)
