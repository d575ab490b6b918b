"""The state of the default alerter in SQLite, and the windows that it learned from."""

from nilometer.values.senders import TABLES
from nilometer_collector.alerting.episodes import Closed, Opened
from nilometer_collector.store import label_text
from nilometer_collector.store.records import PartRecord
from nilometer_collector.store.sqlite.alerts import Alerts
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.decisions import Decisions
from nilometer_collector.store.texts import storable
from nilometer_collector.store.watch_records import EpisodeStep, HeardRecord, WatchRecord, WatchStep

_FORGET_AGENTS = """
DELETE FROM heard WHERE received_ns < ?1 AND agent <> ?2
AND EXISTS (SELECT 1 FROM heard o
            WHERE o.entity = heard.entity AND o.agent <> ?2 AND o.received_ns > heard.received_ns)
AND EXISTS (SELECT 1 FROM heard o
            WHERE o.entity = heard.entity AND o.agent <> ?2 AND o.end_ns > heard.end_ns)
"""


class Watching:
    """Reads and changes the state of the default alerter.

    Args:
        database: Database with the state.
        alerts: Episodes of all alerters.
        decisions: Decisions about episodes.
    """

    def __init__(self, database: Database, alerts: Alerts, decisions: Decisions) -> None:
        self._database = database
        self._alerts = alerts
        self._decisions = decisions

    def hear(self, entity: str, agent: str, end_ns: int, now_ns: int) -> None:
        """Inside a transaction, record that windows of *agent* up to *end_ns* have arrived."""
        self._database.execute(
            "INSERT INTO heard (entity, agent, end_ns, received_ns, lag_ns, least_lag_ns) "
            "VALUES (?1, ?2, ?3, ?4, ?4 - ?3, ?4 - ?3) "
            "ON CONFLICT (entity, agent) DO UPDATE SET end_ns = max(end_ns, excluded.end_ns), "
            "received_ns = excluded.received_ns, "
            "lag_ns = CASE WHEN excluded.end_ns > end_ns THEN excluded.lag_ns ELSE lag_ns END, "
            "least_lag_ns = min(least_lag_ns, excluded.lag_ns)",
            (entity, agent, end_ns, now_ns),
        )

    def entities(self) -> list[str]:
        """List the entities whose windows agents have sent, by name."""
        rows = self._database.rows("SELECT DISTINCT entity FROM heard ORDER BY entity")
        return [entity for (entity,) in rows]

    def heard(self, entity: str) -> list[HeardRecord]:
        """Return for each agent the end of its newest window, ordered by agent."""
        rows = self._database.rows(
            "SELECT agent, end_ns, received_ns, lag_ns, least_lag_ns FROM heard "
            "WHERE entity = ? ORDER BY agent",
            (entity,),
        )
        return [
            HeardRecord(agent=a, end_ns=end, received_ns=at, lag_ns=lag, least_lag_ns=least)
            for a, end, at, lag, least in rows
        ]

    def forget_agents(self, before_ns: int) -> None:
        """Remove the agents that have sent nothing since *before_ns*."""
        with self._database.write():
            self._database.execute(_FORGET_AGENTS, (before_ns, TABLES))

    def hold(self, entity: str) -> bool:
        """Return True, because only one process opens the file at a time."""
        del entity
        return True

    def load(self, entity: str) -> WatchRecord | None:
        """Return the state of *entity*; None before its first window."""
        found = self._database.row(
            "SELECT revision, state, baselines FROM watch_states WHERE entity = ?", (entity,)
        )
        if found is None or not found[0]:
            return None
        return WatchRecord(revision=found[0], state=found[1], baselines=found[2])

    def windows(self, entity: str, start_ns: int, end_ns: int) -> list[tuple[int, bytes]]:
        """List the kept windows with ends in ``(start_ns, end_ns]``, oldest first."""
        rows = self._database.rows(
            "SELECT end_ns, payload FROM watch_windows "
            "WHERE entity = ? AND end_ns > ? AND end_ns <= ? ORDER BY end_ns",
            (entity, start_ns, end_ns),
        )
        return [(end, payload) for end, payload in rows]

    def save(self, entity: str, step: WatchStep, now_ns: int) -> int | None:
        """Store *step* in one transaction, including its episodes and their notifications."""
        with self._database.write():
            found = self._database.row(
                "SELECT revision FROM watch_states WHERE entity = ?", (entity,)
            )
            if (found[0] if found else 0) != step.revision:
                return None
            self._database.execute(
                "INSERT INTO watch_states (entity, revision, state, baselines, report) "
                "VALUES (?1, ?2, ?3, coalesce(?4, x''), ?5) ON CONFLICT (entity) DO UPDATE SET "
                "revision = ?2, state = ?3, baselines = coalesce(?4, baselines), report = ?5",
                (entity, step.revision + 1, step.state, step.baselines, step.report),
            )
            if step.forget is not None:
                self._database.execute(
                    "DELETE FROM watch_windows WHERE entity = ? AND end_ns > ? AND end_ns <= ?",
                    (entity, *step.forget),
                )
            for end_ns, payload in step.windows:
                self._database.execute(
                    "INSERT OR REPLACE INTO watch_windows (entity, end_ns, payload) VALUES (?, ?, ?)",
                    (entity, end_ns, payload),
                )
            self._decisions.settle(step.settled)
            return sum(self._change(entity, one, now_ns) for one in step.episodes)

    def report(self, entity: str, report: bytes) -> None:
        """Replace the status of *entity* for readers; its state does not change."""
        with self._database.write():
            self._database.execute(
                "INSERT INTO watch_states (entity, revision, state, baselines, report) "
                "VALUES (?1, 0, x'', x'', ?2) ON CONFLICT (entity) DO UPDATE SET report = ?2",
                (entity, report),
            )

    def reports(self, entity: str | None = None) -> list[tuple[str, bytes]]:
        """List the status of all entities, or of one."""
        rows = self._database.rows(
            "SELECT entity, report FROM watch_states WHERE (?1 IS NULL OR entity = ?1) "
            "ORDER BY entity",
            (entity,),
        )
        return [(name, report) for name, report in rows]

    def open_parts(self) -> set[tuple[str, str]]:
        """Return the (entity, summary) of every open part of an episode of the default alerter."""
        rows = self._database.rows(
            "SELECT DISTINCT e.entity, p.summary FROM episodes e JOIN episode_parts p "
            "ON p.episode = e.id WHERE e.closed_ns IS NULL AND p.closed_ns IS NULL"
        )
        return {(entity, summary) for entity, summary in rows}

    def _change(self, entity: str, step: EpisodeStep, now_ns: int) -> int:
        """Apply a change of an episode inside a transaction; return the queued deliveries."""
        labels = label_text.to_text(step.labels)
        if isinstance(step.change, Opened):
            key = (entity, step.change.turn.alerter.name, step.summary, labels)
            episode = self._alerts.open(key, step.change, now_ns, step.number)
        else:
            ((episode,),) = self._database.rows(
                "SELECT id FROM episodes WHERE entity = ? AND number = ?", (entity, step.number)
            )
            closed_ns = step.change.closed_ns if isinstance(step.change, Closed) else None
            self._database.execute(
                "UPDATE episodes SET summary = ?, labels = ?, worst = ?, closed_ns = ? WHERE id = ?",
                (step.summary, labels, step.value, closed_ns, episode),
            )
        for part in step.parts:
            self._keep_part(episode, part)
        if step.change is None:
            return 0
        return self._alerts.record(episode, step.change.turn, now_ns)

    def _keep_part(self, episode: int, part: PartRecord) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO episode_parts (episode, summary, labels, component, direction, "
            "onset_ns, opened_ns, closed_ns, effect, bound, tolerance, unit, severity, evidence, ended) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                episode,
                part.summary,
                label_text.to_text(part.labels),
                part.component,
                part.direction,
                part.onset_ns,
                part.opened_ns,
                part.closed_ns,
                part.effect,
                part.bound,
                part.tolerance,
                part.unit,
                part.severity,
                storable(part.evidence),
                part.ended,
            ),
        )
