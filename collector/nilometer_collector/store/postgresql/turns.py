"""Writes changes of episodes to PostgreSQL, with their history and notifications."""

from dataclasses import replace

from nilometer.alert import AlertStatus
from nilometer.values.window import Window
from nilometer.wire.alerts import alerter_to_bytes, stored_alerter_from_bytes
from nilometer_collector.alerting.episodes import (
    Closed,
    EpisodeChange,
    Escalated,
    Opened,
    OpenEpisode,
    Turn,
    Worsened,
    heard_since_ns,
    pause,
)
from nilometer_collector.store.postgresql.queueing import Queue
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import AGENTS_SILENT
from nilometer_collector.store.texts import storable

_OPEN = """
INSERT INTO episodes (entity, judged, number, opened_ns, since_ns, worst, worst_ns, alerter_payload,
                      reference_digest, evidence)
VALUES (%(entity)s, %(judged)s, %(number)s, %(at)s, %(since)s, %(value)s, %(at)s, %(alerter)s,
        %(digest)s, %(evidence)s)
RETURNING id
"""
_CLOSE = "UPDATE episodes SET closed_ns = %(closed)s WHERE entity = %(entity)s AND id = %(id)s"
_WORSEN = """
UPDATE episodes SET worst = %(worst)s, worst_ns = %(at)s WHERE entity = %(entity)s AND id = %(id)s
"""
_ESCALATE = """
UPDATE episodes SET worst = %(worst)s, worst_ns = COALESCE(%(worst_at)s, worst_ns),
  alerter_payload = %(alerter)s, evidence = %(evidence)s
WHERE entity = %(entity)s AND id = %(id)s
"""
_RECORD = """
INSERT INTO transitions (entity, episode, status, at_ns, window_start_ns, recorded_ns, value,
                         evidence, alerter_payload, reference_digest)
VALUES (%(entity)s, %(episode)s, %(status)s, %(at)s, %(start)s, %(now)s, %(value)s, %(evidence)s,
        %(alerter)s, %(digest)s)
RETURNING id
"""
# A person's silence also holds for the next episode of the same alerter, summary and label set. A
# declared one is made anew for each episode.
_CARRY = """
INSERT INTO decisions (entity, episode, kind, author, reason, made_ns, until_ns, summary, labels_text,
                       pending)
SELECT d.entity, %(episode)s, d.kind, d.author, d.reason, d.made_ns, d.until_ns, '', d.labels_text,
       false
FROM (SELECT d.* FROM decisions d JOIN episodes e ON e.entity = d.entity AND e.id = d.episode
      WHERE d.entity = %(entity)s AND e.judged = %(judged)s
        AND d.kind IN ('silenced', 'unsilenced') AND d.declared = '' ORDER BY d.id DESC LIMIT 1) d
WHERE d.kind = 'silenced' AND d.until_ns > %(now)s
"""
# The rows of one alerter are always locked in the same order. Rows of other summaries stay free.
_LEFT = """
SELECT id FROM judged WHERE entity = %(entity)s AND alerter = %(alerter)s
  AND summary = ANY(COALESCE(%(summaries)s::text[], ARRAY[summary]))
ORDER BY id FOR UPDATE
"""
_LEFT_OPEN = """
SELECT id, opened_ns, worst, alerter_payload, reference_digest,
       (SELECT max(last_end_ns) FROM alert_states s
        WHERE s.entity = e.entity AND s.judged = e.judged)
FROM episodes e WHERE entity = %(entity)s AND judged = ANY(%(judged)s::bigint[])
  AND closed_ns IS NULL ORDER BY id
"""
_LOUD = """
UPDATE judged SET quiet_until_ns = 0
WHERE entity = %(entity)s AND id = ANY(%(judged)s::bigint[]) AND quiet_until_ns > 0
"""
_LEFT_STATES = """
DELETE FROM alert_states WHERE entity = %(entity)s AND judged = ANY(%(judged)s::bigint[])
"""


_SILENT = """
SELECT e.id, e.opened_ns, e.worst, e.alerter_payload, e.reference_digest,
       (SELECT t.window_start_ns FROM transitions t
        WHERE t.entity = e.entity AND t.episode = e.id ORDER BY t.id LIMIT 1),
       (SELECT max(received_ns) FROM alert_states s
        WHERE s.entity = e.entity AND s.judged = e.judged),
       (SELECT max(last_end_ns) FROM alert_states s
        WHERE s.entity = e.entity AND s.judged = e.judged)
FROM episodes e WHERE e.entity = %(entity)s AND e.judged = %(judged)s AND e.closed_ns IS NULL
  AND e.number IS NULL
"""
_SILENT_STATES = """
UPDATE alert_states SET status = %(status)s, breaches = 0, fines = 0, reason = 'no_window'
WHERE entity = %(entity)s AND judged = %(judged)s
"""


class Turns:
    """Applies changes of episodes inside a transaction.

    Args:
        queue: Queue of notifications.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def begin(
        self,
        session: Session,
        entity: str,
        judged: int,
        change: Opened,
        now_ns: int,
        *,
        number: int | None = None,
    ) -> OpenEpisode:
        """Write an episode, with the silence of an earlier one; `record` must follow.

        Args:
            session: Session in a transaction.
            entity: Entity of the episode.
            judged: Id of the judged series.
            change: The opening.
            now_ns: Wall time, Unix nanoseconds.
            number: Number of an episode of the default alerter; None for other alerters.
        """
        turn = change.turn
        known = {"entity": entity, "judged": judged, "number": number, "since": change.since_ns}
        ((episode,),) = session.rows(_OPEN, {**_values(turn), **known})
        carried = {"entity": entity, "episode": episode, "judged": judged, "now": now_ns}
        session.execute(_CARRY, carried)
        return OpenEpisode(
            id=episode, opened_ns=turn.at_ns, worst=turn.value, severity=turn.alerter.severity
        )

    def close(
        self, session: Session, entity: str, episode: int, change: Closed, now_ns: int
    ) -> int:
        """Close an episode; return the number of queued deliveries."""
        session.execute(_CLOSE, {"entity": entity, "id": episode, "closed": change.closed_ns})
        return self.record(session, entity, episode, change.turn, now_ns)

    def apply(
        self,
        session: Session,
        entity: str,
        judged: int,
        episode: OpenEpisode | None,
        change: EpisodeChange,
        now_ns: int,
    ) -> tuple[OpenEpisode | None, int]:
        """Apply *change* to the open *episode*.

        Returns:
            The episode that is open afterwards, and the number of queued deliveries.
        """
        match change:
            case Opened():
                opened = self.begin(session, entity, judged, change, now_ns)
                return opened, self.record(session, entity, opened.id, change.turn, now_ns)
            case Worsened() if episode is not None:
                values = {"entity": entity, "id": episode.id, "worst": change.worst}
                values["at"] = change.at_ns
                session.execute(_WORSEN, values)
                return replace(episode, worst=change.worst), 0
            case Escalated() if episode is not None:
                turn = change.turn
                values = {
                    **_values(turn),
                    "entity": entity,
                    "id": episode.id,
                    "worst": change.worst,
                    "worst_at": change.worst_at_ns,
                }
                session.execute(_ESCALATE, values)
                worse = replace(episode, worst=change.worst, severity=turn.alerter.severity)
                return worse, self.record(session, entity, episode.id, turn, now_ns)
            case Closed() if episode is not None:
                return None, self.close(session, entity, episode.id, change, now_ns)
        return episode, 0

    def expire(self, session: Session, entity: str, judged: int, now_ns: int) -> int:
        """Close the episode of *judged* if no agent judges it; return the queued deliveries."""
        key: dict[str, object] = {"entity": entity, "judged": judged}
        session.rows(
            "SELECT id FROM judged WHERE entity = %(entity)s AND id = %(judged)s FOR UPDATE", key
        )
        found = session.row(_SILENT, key)
        if found is None:
            return 0
        identity, opened_ns, value, payload, digest, start_ns, heard_ns, end_ns = found
        window = Window(start_ns, max(opened_ns, start_ns + 1))
        if (heard_ns or 0) >= heard_since_ns(now_ns, window):
            return 0
        episode = OpenEpisode(id=identity, opened_ns=opened_ns, worst=value)
        alerter, status = stored_alerter_from_bytes(payload), AlertStatus.NO_DATA
        closed = pause(episode, alerter, digest, end_ns or 0, AGENTS_SILENT, status)
        session.execute(_SILENT_STATES, {**key, "status": status.value})
        return self.close(session, entity, identity, closed, now_ns)

    def forget(
        self,
        session: Session,
        entity: str,
        alerter: str,
        why: str,
        now_ns: int,
        summaries: list[str] | None = None,
    ) -> None:
        """Delete the states of an alerter; close its episodes at the last judged window.

        Args:
            session: Session in a transaction.
            entity: Entity of the alerter.
            alerter: Name of the alerter.
            why: Reason, for the history.
            now_ns: Wall time, Unix nanoseconds.
            summaries: Summaries to forget; None means all.
        """
        asked = {"entity": entity, "alerter": alerter, "summaries": summaries}
        judged = [identity for (identity,) in session.rows(_LEFT, asked)]
        chosen = {"entity": entity, "judged": judged}
        for identity, opened_ns, value, payload, digest, last_end_ns in session.rows(
            _LEFT_OPEN, chosen
        ):
            episode = OpenEpisode(id=identity, opened_ns=opened_ns, worst=value)
            known = stored_alerter_from_bytes(payload)
            closed = pause(episode, known, digest, last_end_ns or 0, why)
            self.close(session, entity, identity, closed, now_ns)
        session.execute(_LEFT_STATES, chosen)
        session.execute(_LOUD, chosen)

    def record(self, session: Session, entity: str, episode: int, turn: Turn, now_ns: int) -> int:
        """Write a transition and queue its notification; return the number of queued deliveries."""
        values = {**_values(turn), "entity": entity, "episode": episode, "now": now_ns}
        ((transition,),) = session.rows(_RECORD, values)
        return self._queue.put(session, entity, episode, transition, turn.status, now_ns)


def _values(turn: Turn) -> dict[str, object]:
    return {
        "status": turn.status.value,
        "at": turn.at_ns,
        "start": turn.window_start_ns,
        "value": turn.value,
        "evidence": storable(turn.evidence),
        "alerter": alerter_to_bytes(turn.alerter),
        "digest": turn.reference_digest,
    }
