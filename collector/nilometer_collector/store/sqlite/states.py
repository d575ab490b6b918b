"""The state of each agent for each alerter, in SQLite, and which alerters are quiet."""

from typing import NamedTuple

from nilometer.alert import AlertStatus, EpisodeState
from nilometer_collector.alerting.episodes import Others
from nilometer_collector.store.rows import state_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.texts import storable


class Key(NamedTuple):
    """What an alerter judges; the labels are as text."""

    entity: str
    alerter: str
    summary: str
    labels: str


class States:
    """Reads and changes states. Every change runs inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, key: Key) -> tuple[bool, int]:
        """Return whether the alerter was deleted, and until when it is quiet; 0 if it is not.

        An agent may know alerters that this store does not.
        """
        ((deleted, quiet_until_ns),) = self._database.rows(
            "SELECT (SELECT deleted FROM alerters WHERE entity = ?1 AND name = ?2), (SELECT until_ns "
            "FROM quiet WHERE entity = ?1 AND alerter = ?2 AND summary = ?3 AND labels = ?4)",
            key,
        )
        return bool(deleted), quiet_until_ns or 0

    def of(self, key: Key, agent: str) -> EpisodeState:
        """Return the state of *agent*."""
        found = self._database.row(
            "SELECT status, breaches, fines, since_ns, last_end_ns, reason, sentence, value, "
            "value_end_ns FROM alert_states WHERE entity = ? "
            "AND alerter = ? AND summary = ? AND labels = ? AND agent = ?",
            (*key, agent),
        )
        return EpisodeState() if found is None else state_of(found)

    def keep(self, key: Key, agent: str, state: EpisodeState, now_ns: int) -> None:
        """Replace the state of *agent*."""
        self._database.execute(
            "INSERT OR REPLACE INTO alert_states (entity, alerter, summary, labels, agent, "
            "status, breaches, fines, since_ns, last_end_ns, received_ns, reason, sentence, value, "
            "value_end_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                agent,
                state.status.value,
                state.breaches,
                state.fines,
                state.since_ns,
                state.last_end_ns,
                now_ns,
                state.reason.value,
                storable(state.sentence),
                state.value,
                state.value_end_ns,
            ),
        )

    def others(self, key: Key, agent: str, now_ns: int) -> Others:
        """Return the agents besides *agent*."""
        ((heard, end_ns),) = self._database.rows(
            "SELECT max(received_ns), max(last_end_ns) FROM alert_states WHERE entity = ? AND alerter = ? "
            "AND summary = ? AND labels = ? AND agent != ? AND status = ?",
            (*key, agent, AlertStatus.ALERTING.value),
        )
        return Others(alerting_heard_ns=heard, alerting_end_ns=end_ns, now_ns=now_ns)

    def has_told(self, key: Key, agent: str, since_ns: int, end_ns: int) -> bool:
        """Return whether an earlier episode is about the breaches from *since_ns* to *end_ns*.

        That is so if they overlap, and another agent has judged later windows.
        """
        ((has_told,),) = self._database.rows(
            "SELECT EXISTS (SELECT 1 FROM alert_states WHERE entity = ?1 AND alerter = ?2 "
            "AND summary = ?3 AND labels = ?4 AND agent != ?5 AND last_end_ns > ?7) "
            "AND EXISTS (SELECT 1 FROM episodes WHERE entity = ?1 AND alerter = ?2 "
            "AND summary = ?3 AND labels = ?4 AND since_ns < ?7 AND closed_ns > ?6)",
            (*key, agent, since_ns, end_ns),
        )
        return bool(has_told)

    def end_quiet(self, key: Key) -> None:
        """Let episodes open again."""
        self._database.execute(
            "DELETE FROM quiet WHERE entity = ? AND alerter = ? AND summary = ? AND labels = ?", key
        )
