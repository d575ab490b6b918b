"""Decisions about episodes in PostgreSQL."""

from collections.abc import Mapping

from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.errors import Unknown
from nilometer_collector.store.deciding import (
    NormalRecord,
    checked,
    closing,
    decision_revision,
    quiet_until_ns,
)
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.episodes import read_episodes
from nilometer_collector.store.postgresql.history import record, take_turn
from nilometer_collector.store.postgresql.queueing import Queue
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.silencing import add_decision, lock
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.store.rows import decision_of

_NEWEST = "SELECT max(id) FROM episodes WHERE entity = %(entity)s AND judged = %(judged)s"
_QUIET = """
UPDATE judged SET quiet_until_ns = %(until)s WHERE entity = %(entity)s AND id = %(judged)s
"""
_PENDING = """
SELECT d.id, e.number, d.kind, d.author, d.reason, d.made_ns, d.until_ns, d.summary, d.labels_text,
       d.pending, d.lapsed, d.link, d.declared
FROM decisions d JOIN episodes e ON e.entity = d.entity AND e.id = d.episode
WHERE d.entity = %(entity)s AND d.pending ORDER BY d.id
"""
_SETTLE = """
UPDATE decisions d SET pending = false, lapsed = settled.lapsed
FROM unnest(%(ids)s::bigint[], %(lapsed)s::boolean[]) AS settled (id, lapsed)
WHERE d.entity = %(entity)s AND d.id = settled.id
"""


class Decisions:
    """Records decisions and acts on them.

    Args:
        database: Database that holds them.
        turns: Writer of changes of episodes.
        queue: Queue of notifications.
    """

    def __init__(self, database: Database, turns: Turns, queue: Queue) -> None:
        self._database = database
        self._turns = turns
        self._queue = queue

    def make(self, entity: str, episode: int, decision: Decision) -> Decision:
        """Record *decision* and act on it, in one transaction."""
        return self._database.write(lambda session: self._make(session, entity, episode, decision))

    def _make(self, session: Session, entity: str, episode: int, decision: Decision) -> Decision:
        newest_revision = take_turn(session)
        locked = lock(session, entity, episode)
        found = read_episodes(session, entity, is_open=None, episode=episode)
        if locked is None or not found:
            raise Unknown(f"{entity} has no episode {episode}")
        ((newest,),) = session.rows(_NEWEST, {"entity": entity, "judged": locked})
        decision = checked(found[0], decision, newest)
        revision = decision_revision(entity, episode, decision)
        record(session, newest_revision + 1, revision, decision.made_ns)
        add_decision(session, entity, episode, decision)
        self._queue.apply(session, entity, episode, decision)
        if decision.kind is DecisionKind.NEW_NORMAL and not decision.is_pending:
            until_ns = quiet_until_ns(decision)
            session.execute(_QUIET, {"entity": entity, "judged": locked, "until": until_ns})
            closed = closing(found[0], decision)
            self._turns.close(session, entity, episode, closed, decision.made_ns)
        return decision

    def settle_silences(self, now_ns: int) -> None:
        """Silence open episodes as users have declared, and end silences that hold no more."""
        self._queue.settle_silences(self._database, now_ns)

    def pending(self, entity: str) -> list[NormalRecord]:
        """List what the default alerter of *entity* has still to learn, oldest first."""
        rows = self._database.read(lambda session: session.rows(_PENDING, {"entity": entity}))
        return [NormalRecord(id=r[0], number=r[1], decision=decision_of(r[2:])) for r in rows]

    def settle(self, session: Session, entity: str, settled: Mapping[int, bool]) -> None:
        """Record inside a transaction whether each decision had an effect or has lapsed."""
        if settled:
            asked = {"entity": entity, "ids": list(settled), "lapsed": list(settled.values())}
            session.execute(_SETTLE, asked)
