"""Decisions about episodes in SQLite."""

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
from nilometer_collector.store.rows import decision_of
from nilometer_collector.store.sqlite.alerts import Alerts
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import read_episodes
from nilometer_collector.store.sqlite.history import History
from nilometer_collector.store.sqlite.queueing import Queue
from nilometer_collector.store.sqlite.silencing import add_decision


class Decisions:
    """Records decisions and acts on them.

    Args:
        database: Database that holds them.
        alerts: Episodes of all alerters.
        queue: Queue of notifications.
        history: Changes, which decisions belong to.
    """

    def __init__(self, database: Database, alerts: Alerts, queue: Queue, history: History) -> None:
        self._history = history
        self._database = database
        self._alerts = alerts
        self._queue = queue

    def make(self, entity: str, episode: int, decision: Decision) -> Decision:
        """Record *decision* and act on it, in one transaction."""
        with self._database.write():
            found = read_episodes(self._database, entity, episode=episode)
            if not found:
                raise Unknown(f"{entity} has no episode {episode}")
            decision = checked(found[0], decision, self._newest(episode))
            add_decision(self._database, entity, episode, decision)
            self._history.record(decision_revision(entity, episode, decision), decision.made_ns)
            self._queue.apply(episode, decision)
            if decision.kind is DecisionKind.NEW_NORMAL and not decision.is_pending:
                self._database.execute(
                    "INSERT OR REPLACE INTO quiet (entity, alerter, summary, labels, until_ns) "
                    "SELECT entity, alerter, summary, labels, ? FROM episodes WHERE id = ?",
                    (quiet_until_ns(decision), episode),
                )
                self._alerts.end(episode, closing(found[0], decision), decision.made_ns)
        return decision

    def _newest(self, episode: int) -> int:
        """Return the newest episode of the same alerter, summary and label set as *episode*."""
        ((newest,),) = self._database.rows(
            "SELECT max(o.id) FROM episodes e JOIN episodes o ON o.entity = e.entity "
            "AND o.alerter = e.alerter AND o.summary = e.summary AND o.labels = e.labels "
            "WHERE e.id = ?",
            (episode,),
        )
        return int(newest)

    def settle_silences(self, now_ns: int) -> None:
        """Silence open episodes as users have declared, and end silences that hold no more."""
        with self._database.write():
            self._queue.settle_silences(now_ns)

    def pending(self, entity: str) -> list[NormalRecord]:
        """List what the default alerter of *entity* has still to learn, oldest first."""
        rows = self._database.rows(
            "SELECT d.id, e.number, d.kind, d.author, d.reason, d.made_ns, d.until_ns, d.summary, "
            "d.labels, d.pending, d.lapsed, d.link, d.declared FROM decisions d JOIN episodes e ON e.id = d.episode "
            "WHERE d.entity = ? AND d.pending = 1 ORDER BY d.id",
            (entity,),
        )
        return [NormalRecord(id=r[0], number=r[1], decision=decision_of(r[2:])) for r in rows]

    def settle(self, settled: Mapping[int, bool]) -> None:
        """Record inside a transaction whether each decision had an effect or has lapsed."""
        for identity, has_lapsed in settled.items():
            self._database.execute(
                "UPDATE decisions SET pending = 0, lapsed = ? WHERE id = ?",
                (int(has_lapsed), identity),
            )
