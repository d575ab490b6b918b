"""The queue of notifications, oldest first, with the attempts at each message."""

import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from nilometer.alert import AlertStatus
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.composing import (
    FLAPPING_NS,
    Composition,
    Turn,
    Waiting,
    compose,
    halves,
    turn_of_acknowledgement,
)
from nilometer_collector.store.deciding import is_outlived
from nilometer_collector.store.delivering import (
    ATTEMPTS_KEPT_SECONDS,
    MOST_DELIVERIES,
    MOST_WAIT_SECONDS,
)
from nilometer_collector.store.delivery_records import (
    ACKNOWLEDGEMENT,
    AttemptRecord,
    DeliveryCounts,
    DeliveryRecord,
    Notice,
    status_of,
)
from nilometer_collector.store.rows import delivery_of
from nilometer_collector.store.sqlite.acting import read_turn
from nilometer_collector.store.sqlite.database import Database, in_json
from nilometer_collector.store.sqlite.episodes import read_episodes, read_transition
from nilometer_collector.store.sqlite.queueing import RECENT_OPENINGS, Queue
from nilometer_collector.store.texts import short_text

_MOST_WAIT_NS = int(MOST_WAIT_SECONDS * NANOSECONDS)
_UNSETTLED = "d.delivered_ns IS NULL AND d.refused_ns IS NULL AND d.withheld_ns IS NULL"
_WAITING = """
SELECT d.id, d.key, d.sealed, e.entity, t.episode, t.status, d.created_ns, d.acknowledged,
       d.not_before_ns, d.attempts, d.transition, d.held_until_ns, d.action_turn,
       (SELECT a.run FROM action_turns a WHERE a.id = d.action_turn)
FROM deliveries d JOIN transitions t ON t.id = d.transition JOIN episodes e ON e.id = t.episode
WHERE d.channel = ?1 AND d.delivered_ns IS NULL AND d.refused_ns IS NULL
  AND d.withheld_ns IS NULL AND (d.sealed OR (d.held_until_ns <= ?2 AND d.due_ns <= ?2))
ORDER BY d.sealed DESC, d.id LIMIT ?3
"""
# Openings that were queued before an acknowledgement and have arrived or may arrive, each with whether
# it may have arrived already.
_OPENINGS_BEFORE = f"""
SELECT d.id, d.delivered_ns IS NOT NULL OR d.sealed FROM deliveries d
WHERE d.transition IN (SELECT id FROM transitions WHERE episode = ?2 AND status = ?3)
  AND d.channel = (SELECT a.channel FROM deliveries a WHERE a.id = ?1) AND d.id < ?1
  AND NOT d.acknowledged AND (d.delivered_ns IS NOT NULL OR ({_UNSETTLED}))
"""  # noqa: S608
_STANDING = """
SELECT d.id, d.key, d.sealed, e.entity, t.episode, t.status, d.created_ns, d.acknowledged,
       d.not_before_ns, d.attempts, d.transition, d.held_until_ns, d.action_turn,
       (SELECT a.run FROM action_turns a WHERE a.id = d.action_turn)
FROM deliveries d JOIN transitions t ON t.id = d.transition JOIN episodes e ON e.id = t.episode
WHERE d.id IN
  (SELECT max(o.id) FROM episodes n JOIN transitions s ON s.episode = n.id
   JOIN deliveries o ON o.transition = s.id
   WHERE n.closed_ns IS NULL AND s.status = ?2 AND o.channel = ?1 AND NOT o.acknowledged
     AND o.delivered_ns IS NOT NULL GROUP BY n.id)
ORDER BY d.id LIMIT ?3
"""
_RECORDS = """
SELECT d.id, d.channel, d.key, e.entity, t.episode, t.status, d.acknowledged, d.created_ns,
       d.delivered_ns, d.refused_ns, d.withheld_ns, d.attempts, d.last_failure,
       d.action_turn
FROM deliveries d JOIN transitions t ON t.id = d.transition JOIN episodes e ON e.id = t.episode
WHERE (?1 IS NULL OR d.channel = ?1) AND (?2 IS NULL OR e.entity = ?2)
  AND (?3 IS NULL OR e.entity IN (SELECT value FROM json_each(?3)))
ORDER BY d.id DESC LIMIT ?4
"""


class Deliveries:
    """Reads queued deliveries and records their outcome.

    Args:
        database: Database that holds them.
        queue: Queue that adds them.
    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    def take(self, channel: str, now_ns: int, *, is_grouping: bool = True) -> Notice | None:
        """Return the next message of *channel*; None if there is none or it must wait."""
        with self._database.write():
            if not self._queue.holds(channel):
                return None
            self._queue.settle_silences(now_ns)
            found_rows = self._database.rows(_WAITING, (channel, now_ns, MOST_DELIVERIES))
            rows = self._after_openings(self._not_outlived(found_rows, now_ns), now_ns)
            # A wait that is longer than allowed means that the clock went back.
            if not rows or any(now_ns < row[8] <= now_ns + _MOST_WAIT_NS for row in rows):
                return None
            waiting = [_waiting_of(row) for row in rows]
            found = compose(waiting, self._failed_ns(channel), is_grouping=is_grouping)
            self._withhold(found.replaced, now_ns)
            key = self._seal(found)
            by_id = {row[0]: row for row in rows}
            head, *others = [
                self._notice(by_id[one.id], key, is_repeat=found.is_repeat) for one in found.chosen
            ]
        return head.with_others(others)

    def _withhold(self, deliveries: Sequence[int], now_ns: int) -> None:
        self._database.execute(
            "UPDATE deliveries SET withheld_ns = ? WHERE id IN (SELECT value FROM json_each(?))",
            (now_ns, json.dumps(list(deliveries))),
        )

    def _not_outlived(self, rows: list[Any], now_ns: int) -> list[Any]:
        """Withhold openings whose episode closed while a silence held them; return the others."""
        gone = {row[0] for row in rows if self._is_outlived(row)}
        self._withhold(sorted(gone), now_ns)
        return [row for row in rows if row[0] not in gone]

    def _after_openings(self, rows: list[Any], now_ns: int) -> list[Any]:
        """Return *rows* without the acknowledgements that wait, or are withheld, with their opening."""
        sendable = {row[0] for row in rows}
        turns = {row[0]: self._turn(row, sendable) for row in rows}
        self._withhold([one for one in turns if turns[one] is Turn.NEVER], now_ns)
        return [row for row in rows if turns[row[0]] is Turn.NOW]

    def _turn(self, row: Any, sendable: set[int]) -> Turn:
        waiting = _waiting_of(row)
        if waiting.status != ACKNOWLEDGEMENT or waiting.is_sealed:
            return Turn.NOW
        asked = (waiting.id, waiting.episode, AlertStatus.ALERTING.value)
        openings = {one: bool(told) for one, told in self._database.rows(_OPENINGS_BEFORE, asked)}
        return turn_of_acknowledgement(openings, sendable)

    def _is_outlived(self, row: Any) -> bool:
        episode, transition, held_until_ns = row[4], row[10], row[11]
        waiting = _waiting_of(row)
        if not held_until_ns or waiting.is_sealed or waiting.status != AlertStatus.ALERTING.value:
            return False
        (shown,) = read_episodes(self._database, episode=episode)
        return is_outlived(shown, read_transition(self._database, transition), held_until_ns)

    def standing(self, channel: str) -> Notice | None:
        """Return a message of the open episodes whose opening *channel* has accepted."""
        asked = (channel, AlertStatus.ALERTING.value, MOST_DELIVERIES)
        found = [
            self._notice(row, row[1], is_repeat=True)
            for row in self._database.rows(_STANDING, asked)
        ]
        return found[0].with_others(found[1:]) if found else None

    def delivered(self, notice: Notice, now_ns: int) -> None:
        """Record that the channel has accepted the message."""
        with self._database.write():
            self._attempted(notice, now_ns, "delivered")
            self._settle(notice, "delivered_ns = ?", now_ns)

    def refused(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept the message."""
        with self._database.write():
            self._attempted(notice, now_ns, "refused", failure)
            self._settle(notice, "refused_ns = ?, last_failure = ?", now_ns, short_text(failure))

    def split(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel refused the message, and queue its halves."""
        with self._database.write():
            self._attempted(notice, now_ns, "failed", failure)
            for half in halves(notice):
                self._settle(
                    half, "last_failure = ?, key = ?", short_text(failure), uuid.uuid4().hex
                )

    def failed(
        self,
        notice: Notice,
        now_ns: int,
        failure: str,
        wait_seconds: float = 0.0,
        *,
        may_have_arrived: bool = False,
    ) -> None:
        """Record a failed attempt; the message stays queued."""
        change = "last_failure = ?, not_before_ns = ?, sealed = ?"
        not_before_ns = now_ns + int(wait_seconds * NANOSECONDS)
        is_sealed = notice.is_repeat or may_have_arrived
        with self._database.write():
            self._attempted(notice, now_ns, "failed", failure)
            self._settle(notice, change, short_text(failure), not_before_ns, int(is_sealed))

    def counts(self, channel: str) -> DeliveryCounts:
        """Count the deliveries of *channel* by outcome."""
        ((total, delivered, refused, withheld),) = self._database.rows(
            "SELECT count(*), count(delivered_ns), count(refused_ns), count(withheld_ns) "
            "FROM deliveries WHERE channel = ?",
            (channel,),
        )
        return DeliveryCounts(
            waiting=total - delivered - refused - withheld,
            delivered=delivered,
            refused=refused,
            withheld=withheld,
        )

    def records(
        self,
        channel: str | None = None,
        entity: str | None = None,
        *,
        among: Collection[str] | None = None,
    ) -> list[DeliveryRecord]:
        """List the newest `MOST_DELIVERIES` deliveries, newest first, with their attempts."""
        rows = self._database.rows(_RECORDS, (channel, entity, in_json(among), MOST_DELIVERIES))
        return [delivery_of(row, self._attempts(row[2])) for row in rows]

    def _attempts(self, key: str) -> list[AttemptRecord]:
        rows = self._database.rows(
            "SELECT at_ns, outcome, reason FROM attempts WHERE key = ? ORDER BY id", (key,)
        )
        return [AttemptRecord(*row) for row in rows]

    def _failed_ns(self, channel: str) -> int | None:
        ((failed_ns,),) = self._database.rows(
            "SELECT max(at_ns) FROM attempts WHERE channel = ? AND outcome = 'failed'", (channel,)
        )
        return None if failed_ns is None else int(failed_ns)

    def _seal(self, found: Composition) -> str:
        """Give the chosen notifications one key; they stay together while they may have arrived.

        A message that certainly has not arrived keeps its key if it tells the same. Else those that
        it leaves out get keys of their own, because a receiver may know the old one.
        """
        key = found.chosen[0].key
        ids = [one.id for one in found.chosen]
        known = self._database.rows("SELECT id FROM deliveries WHERE key = ? ORDER BY id", (key,))
        if not found.is_repeat and [identity for (identity,) in known] != ids:
            key = uuid.uuid4().hex
            self._database.execute(
                "UPDATE deliveries AS d SET key = lower(hex(randomblob(16))) "  # noqa: S608
                "WHERE key IN (SELECT o.key FROM deliveries o WHERE o.id IN "
                f"(SELECT value FROM json_each(?))) AND {_UNSETTLED}",
                (json.dumps(ids),),
            )
        self._database.execute(
            "UPDATE deliveries SET key = ?, sealed = 1 "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (key, json.dumps(ids)),
        )
        return key

    def _notice(self, row: tuple[Any, ...], key: str, *, is_repeat: bool) -> Notice:
        transition = read_transition(self._database, row[10])
        recorded_ns = transition.recorded_ns
        asked = (row[4], AlertStatus.ALERTING.value, recorded_ns - FLAPPING_NS, recorded_ns)
        ((openings,),) = self._database.rows(RECENT_OPENINGS, asked)
        return Notice(
            id=row[0],
            key=key,
            attempts=row[9],
            is_repeat=is_repeat,
            episode=read_episodes(self._database, episode=row[4])[0],
            transition=transition,
            after_silence=row[11] > 0,
            openings=openings,
            is_acknowledgement=bool(row[7]) and row[12] is None,
            action=None if row[12] is None else read_turn(self._database, row[12]),
        )

    def _attempted(self, notice: Notice, now_ns: int, outcome: str, reason: str = "") -> None:
        self._database.execute(
            "INSERT INTO attempts (channel, key, at_ns, outcome, reason) "
            "SELECT channel, ?, ?, ?, ? FROM deliveries WHERE id = ?",
            (notice.key, now_ns, outcome, short_text(reason), notice.id),
        )
        self._database.execute(
            "DELETE FROM attempts WHERE at_ns < ? AND outcome IN ('delivered', 'refused', 'failed') "
            "AND channel = (SELECT channel FROM deliveries WHERE id = ?)",
            (now_ns - ATTEMPTS_KEPT_SECONDS * NANOSECONDS, notice.id),
        )

    def _settle(self, notice: Notice, what: str, *values: object) -> None:
        """Change the notifications that still belong to the message and have no outcome."""
        self._database.execute(
            f"UPDATE deliveries AS d SET attempts = attempts + 1, {what} "  # noqa: S608
            f"WHERE d.key = ? AND d.id IN (SELECT value FROM json_each(?)) AND {_UNSETTLED}",
            (*values, notice.key, json.dumps(notice.ids)),
        )


def _waiting_of(row: tuple[Any, ...]) -> Waiting:
    return Waiting(
        id=row[0],
        key=row[1],
        is_sealed=bool(row[2]),
        entity=row[3],
        episode=row[4],
        status=status_of(row[5], row[12], is_acknowledgement=bool(row[7])),
        created_ns=row[6],
        run=row[13],
    )
