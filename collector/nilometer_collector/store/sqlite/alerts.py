"""Alerters, the state of each agent for each alerter, and episodes, in SQLite.

Every change of an episode writes its transition and its delivery row in the same transaction.
"""

from collections.abc import Collection, Sequence

from nilometer.alert import Alerter, AlertStatus, Evaluation
from nilometer.values.clock import SystemClock
from nilometer.values.labels import ByKey
from nilometer.values.window import Window
from nilometer.wire.alerts import alerter_to_bytes, stored_alerter_from_bytes
from nilometer_collector.alerting.episodes import (
    Closed,
    EpisodeChange,
    Escalated,
    Opened,
    OpenEpisode,
    Others,
    Standing,
    Turn,
    Worsened,
    heard_since_ns,
    judge,
    pause,
)
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.store import label_text
from nilometer_collector.store.readable import readable, unreadable
from nilometer_collector.store.records import (
    AGENTS_SILENT,
    ALERTER_DELETED,
    SUMMARY_LEFT,
    EpisodeRecord,
)
from nilometer_collector.store.rows import open_episode_of, statuses_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import count_openings, read_episodes
from nilometer_collector.store.sqlite.queueing import Queue
from nilometer_collector.store.sqlite.states import Key, States
from nilometer_collector.store.texts import storable
from nilometer_collector.store.unread_log import UnreadLog

# A person's silence also holds for the next episode of the same alerter, summary and label set. A
# declared one is made anew for each episode.
_CARRY = """
INSERT INTO decisions (entity, episode, kind, author, reason, made_ns, until_ns, summary, labels,
                       pending)
SELECT d.entity, ?5, d.kind, d.author, d.reason, d.made_ns, d.until_ns, '', d.labels, 0
FROM (SELECT d.* FROM decisions d JOIN episodes e ON e.id = d.episode
      WHERE d.entity = ?1 AND e.alerter = ?2 AND e.summary = ?3 AND e.labels = ?4
        AND d.kind IN ('silenced', 'unsilenced') AND d.declared = '' ORDER BY d.id DESC LIMIT 1) d
WHERE d.kind = 'silenced' AND d.until_ns > ?6
"""


class Alerts:
    """Reads and changes alerters, states and episodes.

    Args:
        database: Database that holds them.
        queue: Queue of notifications.
    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._states = States(database)
        self._unread = UnreadLog(SystemClock().monotonic)

    # Alerters

    def put(self, alerter: Alerter, origin: str, now_ns: int) -> None:
        """Create or replace the alerter with this entity and name.

        It closes open episodes of summaries that the alerter no longer watches.
        """
        payload = alerter_to_bytes(alerter)
        with self._database.write():
            self._database.execute(  # a changed alerter has other limits, so it is no longer quiet
                "DELETE FROM quiet WHERE entity = ?1 AND alerter = ?2 AND EXISTS (SELECT 1 FROM "
                "alerters WHERE entity = ?1 AND name = ?2 AND payload != ?3)",
                (alerter.entity, alerter.name, payload),
            )
            self._database.execute(
                "INSERT INTO alerters (entity, name, origin, deleted, updated_ns, payload) "
                "VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT (entity, name) DO UPDATE SET deleted = 0, "
                "origin = excluded.origin, updated_ns = excluded.updated_ns, "
                "payload = excluded.payload",
                (alerter.entity, alerter.name, origin, now_ns, payload),
            )
            for (summary,) in self._database.rows(
                "SELECT DISTINCT summary FROM alert_states WHERE entity = ? AND alerter = ?",
                (alerter.entity, alerter.name),
            ):
                if not alerter.watches(summary):
                    self._forget(alerter.entity, alerter.name, SUMMARY_LEFT, now_ns, summary)

    def named(self, origin: str) -> set[tuple[str, str]]:
        """Return (entity, name) of the alerters that were last put with this *origin*."""
        rows = self._database.rows(
            "SELECT entity, name FROM alerters WHERE origin = ? AND deleted = 0", (origin,)
        )
        return {(entity, name) for entity, name in rows}

    def delete(self, entity: str, name: str, now_ns: int) -> bool:
        """Delete an alerter and close its episodes; return False if it does not exist."""
        with self._database.write():
            found = self._database.row(
                "SELECT id FROM alerters WHERE entity = ? AND name = ? AND deleted = 0",
                (entity, name),
            )
            if found is None:
                return False
            self._database.execute(
                "UPDATE alerters SET deleted = 1, updated_ns = ? WHERE id = ?", (now_ns, found[0])
            )
            self._forget(entity, name, ALERTER_DELETED, now_ns)
            return True

    def alerters(self, entity: str | None = None) -> list[Alerter]:
        """List the alerters of all entities or of *entity*, by name; log unreadable alerters."""
        return readable(self._payloads(entity), self._unread)

    def unread_alerters(self, entity: str | None = None) -> list[tuple[Alerter, str]]:
        """List the alerters that cannot be read, each with the reason."""
        return unreadable(self._payloads(entity))

    def _payloads(self, entity: str | None) -> list[bytes]:
        rows = self._database.rows(
            "SELECT payload FROM alerters WHERE deleted = 0 AND (?1 IS NULL OR entity = ?1) "
            "ORDER BY entity, name",
            (entity,),
        )
        return [payload for (payload,) in rows]

    # Evaluations

    def judge(self, evaluation: Evaluation, agent: str, now_ns: int) -> int:
        """Advance the agent's state in a transaction; return the number of queued deliveries."""
        alerter = evaluation.alerter
        key = Key(
            alerter.entity,
            alerter.name,
            evaluation.summary,
            label_text.to_text(evaluation.labels),
        )
        is_deleted, quiet_until_ns = self._states.known(key)
        if is_deleted:
            return 0
        state = Standing(
            agent=self._states.of(key, agent),
            episode=self._open_episode(key),
            quiet_until_ns=quiet_until_ns,
        )
        if state.episode is None and not quiet_until_ns:  # the other agents do not matter
            others = Others(alerting_heard_ns=None, alerting_end_ns=None, now_ns=now_ns)
        else:
            others = self._states.others(key, agent, now_ns)
        changes = judge(state, evaluation, others)
        if changes.agent is not None:
            self._states.keep(key, agent, changes.agent, now_ns)
        if changes.ends_quiet:
            self._states.end_quiet(key)
        change, end_ns = changes.episode, evaluation.window.end_ns
        if change is None:
            return 0
        if isinstance(change, Opened) and self._states.has_told(
            key, agent, change.since_ns, end_ns
        ):
            return 0
        return self._change(key, state.episode, change, now_ns)

    def evaluate(self, evaluations: Sequence[Evaluation], agent: str, now_ns: int) -> int:
        """Apply *evaluations* of the collector itself; return the number of deliveries queued."""
        with self._database.write():
            return sum(self.judge(one, agent, now_ns) for one in evaluations)

    def expire(self, now_ns: int, since_ns: int) -> int:
        """Close episodes that no agent judges any more; return the number of queued deliveries."""
        notices = 0
        for *key, identity, opened_ns, value, payload, digest, start_ns in self._database.rows(
            "SELECT entity, alerter, summary, labels, id, opened_ns, worst, alerter_payload, "
            "reference_digest, (SELECT window_start_ns FROM transitions t WHERE t.episode = e.id "
            "ORDER BY t.id LIMIT 1) FROM episodes e WHERE closed_ns IS NULL AND number IS NULL"
        ):
            window = Window(start_ns or 0, max(opened_ns, (start_ns or 0) + 1))
            with self._database.write():
                ((heard_ns, end_ns),) = self._database.rows(
                    "SELECT max(received_ns), max(last_end_ns) FROM alert_states "
                    "WHERE entity = ? AND alerter = ? AND summary = ? AND labels = ?",
                    key,
                )
                still_open = self._database.row(
                    "SELECT 1 FROM episodes WHERE id = ? AND closed_ns IS NULL", (identity,)
                )
                if still_open is None:  # a person has accepted a new normal in the meantime
                    continue
                if max(heard_ns or 0, since_ns) >= heard_since_ns(now_ns, window):
                    continue
                episode = OpenEpisode(id=identity, opened_ns=opened_ns, worst=value)
                alerter, status = stored_alerter_from_bytes(payload), AlertStatus.NO_DATA
                closed = pause(episode, alerter, digest or "", end_ns or 0, AGENTS_SILENT, status)
                notices += self._change(Key(*key), episode, closed, now_ns)
                self._database.execute(
                    "UPDATE alert_states SET status = ?, breaches = 0, fines = 0, "
                    "reason = 'no_window' WHERE entity = ? AND alerter = ? AND summary = ? AND labels = ?",
                    (AlertStatus.NO_DATA.value, *key),
                )
        return notices

    def judged_until(self, entity: str, agent: str) -> dict[str, int]:
        """Return for each alerter of *entity* the end of the newest window that *agent* judged."""
        return dict(
            self._database.rows(
                "SELECT alerter, max(last_end_ns) FROM alert_states WHERE entity = ? AND agent = ? "
                "GROUP BY alerter",
                (entity, agent),
            )
        )

    def judged(self) -> set[tuple[str, str]]:
        """Return each (entity, summary) that an alerter has judged at least once."""
        rows = self._database.rows(
            "SELECT DISTINCT entity, summary FROM alert_states WHERE status != ?",
            (AlertStatus.LEARNING.value,),
        )
        return {(entity, summary) for entity, summary in rows}

    def statuses(self, entity: str | None = None) -> list[AlerterStatus]:
        """List the status of every judged series of all entities or of *entity*, by name."""
        rows = self._database.rows(
            "SELECT entity, alerter, summary, labels, EXISTS (SELECT 1 FROM "
            "episodes e WHERE e.entity = s.entity AND e.alerter = s.alerter "
            "AND e.summary = s.summary AND e.labels = s.labels AND e.closed_ns IS NULL), "
            "EXISTS (SELECT 1 FROM quiet q WHERE q.entity = s.entity AND q.alerter = s.alerter "
            "AND q.summary = s.summary AND q.labels = s.labels), status, breaches, fines, since_ns, "
            "last_end_ns, reason, sentence, value, value_end_ns FROM alert_states s "
            "WHERE ?1 IS NULL OR entity = ?1 ORDER BY entity, alerter, summary, labels",
            (entity,),
        )
        return statuses_of(rows)

    # Episodes

    def open_episodes(self) -> list[tuple[str, str]]:
        """List the (entity, summary) of every open episode."""
        rows = self._database.rows(
            "SELECT entity, summary FROM episodes WHERE closed_ns IS NULL ORDER BY id"
        )
        return [(entity, summary) for entity, summary in rows]

    def entities(self) -> set[str]:
        """Return the entities that have an alerter or an episode."""
        rows = self._database.rows(
            "SELECT entity FROM alerters WHERE deleted = 0 UNION SELECT entity FROM episodes"
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
        return read_episodes(self._database, entity, is_open=is_open, among=among, labels=labels)

    def openings(self, entity: str, since_ns: int) -> dict[str, int]:
        """Count the episodes of *entity* that opened since *since_ns*, by name of their alerter."""
        return count_openings(self._database, entity, since_ns)

    def episode(self, entity: str, number: int) -> EpisodeRecord | None:
        """Return one episode of *entity* with its history, however old; None if there is none."""
        return next(iter(read_episodes(self._database, entity, episode=number)), None)

    def _open_episode(self, key: Key) -> OpenEpisode | None:
        found = self._database.row(
            "SELECT id, opened_ns, worst, alerter_payload FROM episodes WHERE entity = ? AND alerter = ? "
            "AND summary = ? AND labels = ? AND closed_ns IS NULL",
            key,
        )
        return None if found is None else open_episode_of(found)

    # Changes

    def _change(
        self, key: Key, episode: OpenEpisode | None, change: EpisodeChange, now_ns: int
    ) -> int:
        """Apply *change* inside a transaction; return the number of queued deliveries."""
        match change:
            case Opened():
                return self.record(self.open(key, change, now_ns), change.turn, now_ns)
            case Worsened() if episode is not None:
                self._database.execute(
                    "UPDATE episodes SET worst = ?, worst_ns = ? WHERE id = ?",
                    (change.worst, change.at_ns, episode.id),
                )
            case Escalated() if episode is not None:
                turn = change.turn
                self._database.execute(
                    "UPDATE episodes SET worst = ?, worst_ns = coalesce(?, worst_ns), "
                    "alerter_payload = ?, evidence = ? WHERE id = ?",
                    (
                        change.worst,
                        change.worst_at_ns,
                        alerter_to_bytes(turn.alerter),
                        storable(turn.evidence),
                        episode.id,
                    ),
                )
                return self.record(episode.id, turn, now_ns)
            case Closed() if episode is not None:
                return self.end(episode.id, change, now_ns)
        return 0

    def end(self, episode: int, change: Closed, now_ns: int) -> int:
        """Close an episode inside a transaction; return the number of deliveries queued."""
        self._database.execute(
            "UPDATE episodes SET closed_ns = ? WHERE id = ?", (change.closed_ns, episode)
        )
        return self.record(episode, change.turn, now_ns)

    def open(
        self,
        key: tuple[str, str, str, str],
        change: Opened,
        now_ns: int,
        number: int | None = None,
    ) -> int:
        """Write an episode inside a transaction, with the silence of an earlier one; return its id.

        Args:
            key: Entity, alerter, summary and labels as text.
            change: The opening.
            now_ns: Wall time now.
            number: Number of an episode of the default alerter; None for other alerters.
        """
        turn = change.turn
        episode = self._database.execute(
            "INSERT INTO episodes (entity, alerter, summary, labels, number, opened_ns, since_ns, "
            "worst, worst_ns, alerter_payload, reference_digest, evidence) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                number,
                turn.at_ns,
                change.since_ns,
                turn.value,
                turn.at_ns,
                alerter_to_bytes(turn.alerter),
                turn.reference_digest,
                storable(turn.evidence),
            ),
        )
        self._database.execute(_CARRY, (*key, episode, now_ns))
        return episode

    def record(self, episode: int, turn: Turn, now_ns: int) -> int:
        """Write a transition and queue its notification; return the number of queued deliveries."""
        transition = self._database.execute(
            "INSERT INTO transitions (episode, status, at_ns, window_start_ns, recorded_ns, "
            "value, evidence, alerter_payload, reference_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                episode,
                turn.status.value,
                turn.at_ns,
                turn.window_start_ns,
                now_ns,
                turn.value,
                storable(turn.evidence),
                alerter_to_bytes(turn.alerter),
                turn.reference_digest,
            ),
        )
        return self._queue.put(episode, transition, turn.status, now_ns)

    def _forget(
        self, entity: str, name: str, why: str, now_ns: int, summary: str | None = None
    ) -> None:
        """Delete the states of an alerter; close its episodes at the last judged window."""
        chosen = "entity = ?1 AND alerter = ?2 AND (?3 IS NULL OR summary = ?3)"
        for *known, payload, digest, last_end_ns, found_summary, labels in self._database.rows(
            "SELECT id, opened_ns, worst, alerter_payload, reference_digest, "  # noqa: S608
            "(SELECT max(last_end_ns) FROM alert_states s WHERE s.entity = e.entity AND s.alerter = e.alerter "
            "AND s.summary = e.summary AND s.labels = e.labels), summary, labels FROM episodes e "
            f"WHERE {chosen} AND closed_ns IS NULL",
            (entity, name, summary),
        ):
            episode = OpenEpisode(id=known[0], opened_ns=known[1], worst=known[2])
            alerter = stored_alerter_from_bytes(payload)
            closed = pause(episode, alerter, digest or "", last_end_ns or 0, why)
            self._change(Key(entity, name, found_summary, labels), episode, closed, now_ns)
        for table in ("alert_states", "quiet"):
            self._database.execute(
                f"DELETE FROM {table} WHERE {chosen}",  # noqa: S608
                (entity, name, summary),
            )
