"""Queues notifications in SQLite, and holds them while their episode is silenced.

Every method runs inside a transaction.
"""

import uuid

from nilometer.alert import AlertStatus
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import read_decisions

_WAITING = (
    "transition IN (SELECT id FROM transitions WHERE episode = ? AND status = ?) "
    "AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL"
)


class Queue:
    """Queues the notifications of one channel.

    Args:
        database: Database that holds them.
        channel: Name of the channel; if empty, nothing is queued.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel

    def put(self, episode: int, transition: int, status: AlertStatus, now_ns: int) -> int:
        """Queue the notification of *transition*; return 1 if it can be delivered now, else 0.

        An opening is held while the episode is silenced. A closing is left out if nobody was told of
        the opening.
        """
        if not self._channel:
            return 0
        if status is not AlertStatus.ALERTING:
            if self._is_untold(episode, now_ns):
                return 0
            self._add(transition, 0, now_ns)
            return 1
        silence = silence_of(read_decisions(self._database, episode), now_ns)
        self._add(transition, (silence and silence.until_ns) or 0, now_ns)
        return int(silence is None)

    def apply(self, episode: int, decision: Decision) -> None:
        """Hold the opening of *episode* until its silence ends, or end the silence.

        If the opening was delivered before, it is delivered once more after the silence.
        """
        opening = (episode, AlertStatus.ALERTING.value)
        ((waiting,),) = self._database.rows(
            f"SELECT count(*) FROM deliveries WHERE {_WAITING}",  # noqa: S608
            opening,
        )
        if decision.kind is DecisionKind.SILENCED and waiting:
            self._database.execute(
                f"UPDATE deliveries SET held_until_ns = ? WHERE {_WAITING}",  # noqa: S608
                (decision.until_ns, *opening),
            )
        elif decision.kind is DecisionKind.SILENCED and self._channel:
            for (transition,) in self._database.rows(
                "SELECT max(id) FROM transitions WHERE episode = ? AND status = ?", opening
            ):
                self._add(transition, decision.until_ns or 0, decision.made_ns)
        elif decision.kind is DecisionKind.UNSILENCED:
            change = "withheld_ns" if self._is_told(episode) else "held_until_ns"
            self._database.execute(
                f"UPDATE deliveries SET {change} = ? WHERE {_WAITING} AND held_until_ns > ?",  # noqa: S608
                (decision.made_ns, *opening, decision.made_ns),
            )

    def _is_told(self, episode: int) -> bool:
        found = self._database.row(
            "SELECT 1 FROM deliveries d JOIN transitions t ON t.id = d.transition "
            "WHERE t.episode = ? AND d.delivered_ns IS NOT NULL LIMIT 1",
            (episode,),
        )
        return found is not None

    def _is_untold(self, episode: int, now_ns: int) -> bool:
        """Give up what a silence still holds; return whether nothing else was queued."""
        opening = (episode, AlertStatus.ALERTING.value)
        self._database.execute(
            f"UPDATE deliveries SET withheld_ns = ? WHERE {_WAITING} AND held_until_ns > ?",  # noqa: S608
            (now_ns, *opening, now_ns),
        )
        ((queued, withheld),) = self._database.rows(
            "SELECT count(*), count(withheld_ns) FROM deliveries WHERE transition IN "
            "(SELECT id FROM transitions WHERE episode = ? AND status = ?)",
            opening,
        )
        return bool(queued and queued == withheld)

    def _add(self, transition: int, held_until_ns: int, now_ns: int) -> None:
        self._database.execute(
            "INSERT INTO deliveries (transition, channel, key, created_ns, attempts, held_until_ns) "
            "VALUES (?, ?, ?, ?, 0, ?)",
            (transition, self._channel, uuid.uuid4().hex, now_ns, held_until_ns),
        )
