"""The state of the default alerter in PostgreSQL, and the windows that it learned from.

Several collectors may watch one entity, but only one of them holds it. The revision of its state
prevents a collector that has lost its lease from storing windows that another one has judged.
"""

import uuid
from collections.abc import Mapping

from nilometer.values.senders import TABLES
from nilometer_collector.alerting.episodes import Closed, Opened
from nilometer_collector.store import label_text
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.decisions import Decisions
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.store.records import PartRecord
from nilometer_collector.store.texts import storable
from nilometer_collector.store.watch_records import EpisodeStep, HeardRecord, WatchRecord, WatchStep
from nilometer_collector.store.watching import WATCH_LEASE_SECONDS

_HEAR = """
INSERT INTO heard (entity, agent, end_ns, received_ns, lag_ns, least_lag_ns)
SELECT entity, %(agent)s, end_ns, %(now)s, %(now)s - end_ns, %(now)s - end_ns
FROM unnest(%(entities)s::text[], %(ends)s::bigint[]) AS new (entity, end_ns)
ON CONFLICT (entity, agent) DO UPDATE SET end_ns = GREATEST(heard.end_ns, excluded.end_ns),
  received_ns = excluded.received_ns,
  lag_ns = CASE WHEN excluded.end_ns > heard.end_ns THEN excluded.lag_ns ELSE heard.lag_ns END,
  least_lag_ns = LEAST(heard.least_lag_ns, excluded.lag_ns)
"""
_FORGET_AGENTS = """
DELETE FROM heard WHERE received_ns < %(before)s AND agent <> %(tables)s
AND EXISTS (SELECT 1 FROM heard o
            WHERE o.entity = heard.entity AND o.agent <> %(tables)s AND o.received_ns > heard.received_ns)
AND EXISTS (SELECT 1 FROM heard o
            WHERE o.entity = heard.entity AND o.agent <> %(tables)s AND o.end_ns > heard.end_ns)
"""
_HOLD = """
INSERT INTO watch_leases (entity, holder, held_until)
VALUES (%(entity)s, %(holder)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (entity) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE watch_leases.holder = excluded.holder OR watch_leases.held_until < clock_timestamp()
"""
_CREATE = """
INSERT INTO watch_states (entity, revision, state, baselines, report)
VALUES (%(entity)s, 1, %(state)s, COALESCE(%(baselines)s::bytea, ''::bytea), %(report)s)
ON CONFLICT (entity) DO UPDATE SET revision = 1, state = excluded.state,
  baselines = excluded.baselines, report = excluded.report
WHERE watch_states.revision = 0
"""
_REPORT = """
INSERT INTO watch_states (entity, revision, state, baselines, report)
VALUES (%(entity)s, 0, ''::bytea, ''::bytea, %(report)s)
ON CONFLICT (entity) DO UPDATE SET report = excluded.report
"""
_UPDATE = """
UPDATE watch_states SET revision = revision + 1, state = %(state)s, report = %(report)s,
  baselines = COALESCE(%(baselines)s::bytea, baselines)
WHERE entity = %(entity)s AND revision = %(revision)s
"""
_FORGET = """
DELETE FROM watch_windows
WHERE entity = %(entity)s AND end_ns > %(start)s AND end_ns <= %(end)s
"""
_KEEP = """
INSERT INTO watch_windows (entity, end_ns, payload)
SELECT %(entity)s, end_ns, payload
FROM unnest(%(ends)s::bigint[], %(payloads)s::bytea[]) AS new (end_ns, payload)
ON CONFLICT (entity, end_ns) DO UPDATE SET payload = excluded.payload
"""
_JUDGED = """
INSERT INTO judged (entity, alerter, summary, labels_text, labels_digest)
VALUES (%(entity)s, %(alerter)s, %(summary)s, %(labels)s, %(digest)s)
ON CONFLICT (entity, alerter, summary, labels_digest) DO NOTHING
"""
_JUDGED_ID = """
SELECT id FROM judged WHERE entity = %(entity)s AND alerter = %(alerter)s
  AND summary = %(summary)s AND labels_digest = %(digest)s
"""
# A decision about the episode waits until the change is stored, and the other way round.
_EPISODE = """
SELECT e.id, j.alerter FROM episodes e JOIN judged j ON j.entity = e.entity AND j.id = e.judged
WHERE e.entity = %(entity)s AND e.number = %(number)s FOR UPDATE OF e
"""
_MOVE = """
UPDATE episodes SET judged = %(judged)s, worst = %(value)s
WHERE entity = %(entity)s AND id = %(episode)s
"""
_PART = """
INSERT INTO episode_parts (entity, episode, summary, labels_text, labels_digest, component,
  direction, onset_ns, opened_ns, closed_ns, effect, bound, tolerance, unit, severity, evidence,
  ended)
VALUES (%(entity)s, %(episode)s, %(summary)s, %(labels)s, %(digest)s, %(component)s,
  %(direction)s, %(onset)s, %(opened)s, %(closed)s, %(effect)s, %(bound)s, %(tolerance)s, %(unit)s,
  %(severity)s, %(evidence)s, %(ended)s)
ON CONFLICT (entity, episode, summary, labels_digest, opened_ns) DO UPDATE SET
  closed_ns = excluded.closed_ns, effect = excluded.effect, bound = excluded.bound,
  severity = excluded.severity, evidence = excluded.evidence, ended = excluded.ended
"""
_OPEN_PARTS = """
SELECT DISTINCT e.entity, p.summary FROM episodes e
JOIN episode_parts p ON p.entity = e.entity AND p.episode = e.id
WHERE e.closed_ns IS NULL AND p.closed_ns IS NULL
"""


class Watching:
    """Reads and changes the state of the default alerter.

    Args:
        database: Database that holds it.
        turns: Writer of changes of episodes.
        decisions: Decisions about episodes.
    """

    def __init__(self, database: Database, turns: Turns, decisions: Decisions) -> None:
        self._database = database
        self._turns = turns
        self._decisions = decisions
        self._holder = uuid.uuid4().hex

    def hear(self, session: Session, agent: str, newest: Mapping[str, int], now_ns: int) -> None:
        """Inside a transaction, record the end of the newest window of each entity from *agent*."""
        entities = sorted(newest)
        ends = [newest[entity] for entity in entities]
        asked = {"agent": agent, "now": now_ns, "entities": entities, "ends": ends}
        session.execute(_HEAR, asked)

    def entities(self) -> list[str]:
        """List the entities whose windows agents have sent, by name."""
        rows = self._database.read(
            lambda session: session.rows("SELECT DISTINCT entity FROM heard ORDER BY entity")
        )
        return [entity for (entity,) in rows]

    def heard(self, entity: str) -> list[HeardRecord]:
        """Return for each agent the end of its newest window, ordered by agent."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT agent, end_ns, received_ns, lag_ns, least_lag_ns FROM heard "
                "WHERE entity = %(entity)s ORDER BY agent",
                {"entity": entity},
            )
        )
        return [
            HeardRecord(agent=a, end_ns=end, received_ns=at, lag_ns=lag, least_lag_ns=least)
            for a, end, at, lag, least in rows
        ]

    def forget_agents(self, before_ns: int) -> None:
        """Remove the agents that have sent nothing since *before_ns*."""
        asked = {"before": before_ns, "tables": TABLES}
        self._database.write(lambda session: session.execute(_FORGET_AGENTS, asked))

    def hold(self, entity: str) -> bool:
        """Return whether only this collector may advance *entity* for `WATCH_LEASE_SECONDS`."""
        asked = {"entity": entity, "holder": self._holder, "seconds": WATCH_LEASE_SECONDS}
        return self._database.write(lambda session: session.execute(_HOLD, asked)) == 1

    def load(self, entity: str) -> WatchRecord | None:
        """Return the state of *entity*; None before its first window."""
        found = self._database.read(
            lambda session: session.row(
                "SELECT revision, state, baselines FROM watch_states WHERE entity = %(entity)s",
                {"entity": entity},
            )
        )
        if found is None or not found[0]:
            return None
        return WatchRecord(revision=found[0], state=found[1], baselines=found[2])

    def windows(self, entity: str, start_ns: int, end_ns: int) -> list[tuple[int, bytes]]:
        """List the kept windows with ends in ``(start_ns, end_ns]``, oldest first."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT end_ns, payload FROM watch_windows WHERE entity = %(entity)s "
                "AND end_ns > %(start)s AND end_ns <= %(end)s ORDER BY end_ns",
                {"entity": entity, "start": start_ns, "end": end_ns},
            )
        )
        return [(end, payload) for end, payload in rows]

    def save(self, entity: str, step: WatchStep, now_ns: int) -> int | None:
        """Store *step* in one transaction, including its episodes and their notifications."""
        return self._database.write(lambda session: self._save(session, entity, step, now_ns))

    def _save(self, session: Session, entity: str, step: WatchStep, now_ns: int) -> int | None:
        values = {
            "entity": entity,
            "revision": step.revision,
            "state": step.state,
            "baselines": step.baselines,
            "report": step.report,
        }
        if not session.execute(_UPDATE if step.revision else _CREATE, values):
            return None
        if step.forget is not None:
            start, end = step.forget
            session.execute(_FORGET, {"entity": entity, "start": start, "end": end})
        if step.windows:
            ends = [end for end, _ in step.windows]
            payloads = [payload for _, payload in step.windows]
            session.execute(_KEEP, {"entity": entity, "ends": ends, "payloads": payloads})
        self._decisions.settle(session, entity, step.settled)
        return sum(self._change(session, entity, one, now_ns) for one in step.episodes)

    def report(self, entity: str, report: bytes) -> None:
        """Replace the status of *entity* for readers; its state does not change."""
        self._database.write(
            lambda session: session.execute(_REPORT, {"entity": entity, "report": report})
        )

    def reports(self, entity: str | None = None) -> list[tuple[str, bytes]]:
        """List the status of all entities, or of one."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT entity, report FROM watch_states "
                "WHERE (%(entity)s::text IS NULL OR entity = %(entity)s) ORDER BY entity",
                {"entity": entity},
            )
        )
        return [(name, report) for name, report in rows]

    def open_parts(self) -> set[tuple[str, str]]:
        """Return the (entity, summary) of every open part of an episode of the default alerter."""
        rows = self._database.read(lambda session: session.rows(_OPEN_PARTS))
        return {(entity, summary) for entity, summary in rows}

    def _change(self, session: Session, entity: str, step: EpisodeStep, now_ns: int) -> int:
        """Apply a change of an episode inside a transaction; return the queued deliveries."""
        notices = 0
        if isinstance(step.change, Opened):
            judged = _judged(session, entity, step.change.turn.alerter.name, step)
            episode = self._turns.begin(
                session, entity, judged, step.change, now_ns, number=step.number
            ).id
        else:
            ((episode, alerter),) = session.rows(
                _EPISODE, {"entity": entity, "number": step.number}
            )
            judged = _judged(session, entity, alerter, step)
            values = {"judged": judged, "value": step.value, "entity": entity, "episode": episode}
            session.execute(_MOVE, values)
            if isinstance(step.change, Closed):
                notices = self._turns.close(session, entity, episode, step.change, now_ns)
        for part in step.parts:
            _keep_part(session, entity, episode, part)
        if isinstance(step.change, Opened):  # declared silences look at its parts
            notices = self._turns.record(session, entity, episode, step.change.turn, now_ns)
        return notices


def _judged(session: Session, entity: str, alerter: str, step: EpisodeStep) -> int:
    """Return the id of the judged series of the episode of *step*."""
    labels = label_text.to_text(step.labels)
    key = {
        "entity": entity,
        "alerter": alerter,
        "summary": step.summary,
        "labels": labels,
        "digest": label_text.digest(labels),
    }
    session.execute(_JUDGED, key)
    ((judged,),) = session.rows(_JUDGED_ID, key)
    return int(judged)


def _keep_part(session: Session, entity: str, episode: int, part: PartRecord) -> None:
    labels = label_text.to_text(part.labels)
    session.execute(
        _PART,
        {
            "entity": entity,
            "episode": episode,
            "summary": part.summary,
            "labels": labels,
            "digest": label_text.digest(labels),
            "component": part.component,
            "direction": part.direction,
            "onset": part.onset_ns,
            "opened": part.opened_ns,
            "closed": part.closed_ns,
            "effect": part.effect,
            "bound": part.bound,
            "tolerance": part.tolerance,
            "unit": part.unit,
            "severity": part.severity,
            "evidence": storable(part.evidence),
            "ended": part.ended,
        },
    )
