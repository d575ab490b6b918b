"""The queue of notifications in PostgreSQL, oldest first, with the attempts at each message.

Several collectors deliver from one queue. The next message of a channel is held by one of them until
its outcome is recorded, so none is sent twice and their order stays. If that collector ends, another
takes over after `LEASE_SECONDS`. After a failed attempt, nobody tries again before the time that the
receiver has asked for. The server's clock decides, because the clocks of collectors may differ. A
silence and the hours of a route end by the collector's clock.
"""

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
    LEASE_SECONDS,
    MOST_DELIVERIES,
)
from nilometer_collector.store.delivery_records import (
    ACKNOWLEDGEMENT,
    DeliveryCounts,
    DeliveryRecord,
    Notice,
    status_of,
)
from nilometer_collector.store.postgresql.acting import read_turn
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.delivery_lists import read_deliveries
from nilometer_collector.store.postgresql.episodes import read_episodes, read_transition
from nilometer_collector.store.postgresql.queueing import RECENT_OPENINGS, Queue
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.texts import short_text

# Collectors take turns at composing the next message of a channel.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer channel ' || %(channel)s, 0))"
_WAITING = """
SELECT d.id, d.key, d.sealed, d.entity, t.episode, t.status, d.created_ns, d.acknowledged,
       (d.holder IS NOT NULL AND d.holder <> %(holder)s AND d.held_until > clock_timestamp())
       OR COALESCE(d.not_before > clock_timestamp(), false),
       d.attempts, d.transition, d.held_until_ns, d.action_turn,
       (SELECT a.run FROM action_turns a WHERE a.id = d.action_turn)
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE d.channel = %(channel)s AND d.delivered_ns IS NULL AND d.refused_ns IS NULL
  AND d.withheld_ns IS NULL AND (d.sealed OR (d.held_until_ns <= %(now)s AND d.due_ns <= %(now)s))
ORDER BY d.sealed DESC, d.id LIMIT %(limit)s
"""
# Openings that were queued before an acknowledgement and have arrived or may arrive, each with whether
# it may have arrived already.
_OPENINGS_BEFORE = """
SELECT d.id, d.delivered_ns IS NOT NULL OR d.sealed
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE d.entity = %(entity)s AND t.episode = %(episode)s AND t.status = %(status)s
  AND d.channel = %(channel)s AND d.id < %(id)s AND NOT d.acknowledged
  AND (d.delivered_ns IS NOT NULL OR (d.refused_ns IS NULL AND d.withheld_ns IS NULL))
"""
_FAILED = "SELECT max(at_ns) FROM attempts WHERE channel = %(channel)s AND outcome = 'failed'"
_REPLACE = "UPDATE deliveries SET withheld_ns = %(now)s WHERE id = ANY(%(ids)s::bigint[])"
_MATES = "SELECT id FROM deliveries WHERE key = %(key)s ORDER BY id"
_PART = """
UPDATE deliveries SET key = replace(gen_random_uuid()::text, '-', '')
WHERE key IN (SELECT o.key FROM deliveries o WHERE o.id = ANY(%(ids)s::bigint[]))
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
"""
_HOLD = """
UPDATE deliveries SET key = %(key)s, sealed = true, holder = %(holder)s,
  held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s::bigint[])
"""
_ATTEMPT = """
INSERT INTO attempts (channel, key, at_ns, outcome, reason)
SELECT channel, %(key)s, %(now)s, %(outcome)s, %(reason)s FROM deliveries WHERE id = %(id)s
"""
_FORGET = """
DELETE FROM attempts WHERE at_ns < %(before)s AND outcome IN ('delivered', 'refused', 'failed')
  AND channel = (SELECT channel FROM deliveries WHERE id = %(id)s)
"""
_SETTLE = """
UPDATE deliveries SET attempts = attempts + 1, key = COALESCE(%(new_key)s, key),
  delivered_ns = COALESCE(delivered_ns, %(delivered)s), refused_ns = COALESCE(refused_ns, %(refused)s),
  last_failure = COALESCE(%(failure)s, last_failure), sealed = %(sealed)s,
  not_before = clock_timestamp() + make_interval(secs => %(wait)s)
WHERE key = %(key)s AND holder = %(holder)s AND id = ANY(%(ids)s::bigint[])
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
"""
_STANDING = """
SELECT d.id, d.key, d.sealed, d.entity, t.episode, t.status, d.created_ns, d.acknowledged, false,
       d.attempts, d.transition, d.held_until_ns, d.action_turn,
       (SELECT a.run FROM action_turns a WHERE a.id = d.action_turn)
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE d.id IN
  (SELECT max(o.id) FROM episodes n JOIN transitions s ON s.entity = n.entity AND s.episode = n.id
   JOIN deliveries o ON o.entity = s.entity AND o.transition = s.id
   WHERE n.closed_ns IS NULL AND s.status = %(status)s AND o.channel = %(channel)s
     AND NOT o.acknowledged AND o.delivered_ns IS NOT NULL GROUP BY n.entity, n.id)
ORDER BY d.id LIMIT %(limit)s
"""
_COUNTS = """
SELECT count(*), count(delivered_ns), count(refused_ns), count(withheld_ns)
FROM deliveries WHERE channel = %(channel)s
"""


class Deliveries:
    """Reads queued deliveries and records their outcome. A queue adds them."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._holder = uuid.uuid4().hex

    def take(self, channel: str, now_ns: int, *, is_grouping: bool = True) -> Notice | None:
        """Return the next message of *channel*; None if there is none, or it must wait."""
        if not self._database.read(lambda session: self._queue.holds(session, channel)):
            return None
        self._queue.settle_silences(self._database, now_ns)
        return self._database.write(
            lambda session: self._take(session, channel, now_ns, is_grouping=is_grouping)
        )

    def _take(
        self, session: Session, channel: str, now_ns: int, *, is_grouping: bool
    ) -> Notice | None:
        session.rows(_LOCK, {"channel": channel})
        asked: dict[str, object] = {"channel": channel, "holder": self._holder, "now": now_ns}
        asked["limit"] = MOST_DELIVERIES
        rows = _not_outlived(session, session.rows(_WAITING, asked), now_ns)
        rows = _after_openings(session, rows, channel, now_ns)
        if not rows or any(row[8] for row in rows):
            return None
        ((failed_ns,),) = session.rows(_FAILED, {"channel": channel})
        found = compose([_waiting_of(row) for row in rows], failed_ns, is_grouping=is_grouping)
        key = self._hold(session, found, now_ns)
        by_id = {row[0]: row for row in rows}
        head, *others = [
            _notice(session, by_id[one.id], key, is_repeat=found.is_repeat) for one in found.chosen
        ]
        return head.with_others(others)

    def _hold(self, session: Session, found: Composition, now_ns: int) -> str:
        """Give the chosen notifications one key, and hold them for this collector.

        A message that certainly has not arrived keeps its key if it tells the same. Else those that
        it leaves out get keys of their own, because a receiver may know the old one.
        """
        key = found.chosen[0].key
        ids = [one.id for one in found.chosen]
        if found.replaced:
            session.execute(_REPLACE, {"now": now_ns, "ids": list(found.replaced)})
        known = [identity for (identity,) in session.rows(_MATES, {"key": key})]
        if not found.is_repeat and known != ids:
            key = uuid.uuid4().hex
            session.execute(_PART, {"ids": ids})
        session.execute(
            _HOLD,
            {
                "key": key,
                "holder": self._holder,
                "seconds": LEASE_SECONDS,
                "ids": ids,
            },
        )
        return key

    def standing(self, channel: str) -> Notice | None:
        """Return a message of the open episodes whose opening *channel* has accepted."""
        asked = {
            "channel": channel,
            "status": AlertStatus.ALERTING.value,
            "limit": MOST_DELIVERIES,
        }

        def read(session: Session) -> list[Notice]:
            return [
                _notice(session, row, row[1], is_repeat=True)
                for row in session.rows(_STANDING, asked)
            ]

        found = self._database.read(read)
        return found[0].with_others(found[1:]) if found else None

    def delivered(self, notice: Notice, now_ns: int) -> None:
        """Record that the channel has accepted the message."""
        self._settle(notice, now_ns, "delivered", delivered=now_ns)

    def refused(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept the message."""
        self._settle(notice, now_ns, "refused", refused=now_ns, failure=short_text(failure))

    def split(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel refused the message, and queue its halves."""
        self._settle(notice, now_ns, "failed", failure=short_text(failure), parts=halves(notice))

    def failed(
        self,
        notice: Notice,
        now_ns: int,
        failure: str,
        wait_seconds: float = 0.0,
        *,
        may_have_arrived: bool = False,
    ) -> None:
        """Record a failed attempt; the message stays queued, and this collector keeps it."""
        self._settle(
            notice,
            now_ns,
            "failed",
            failure=short_text(failure),
            wait_seconds=wait_seconds,
            is_sealed=notice.is_repeat or may_have_arrived,
        )

    def counts(self, channel: str) -> DeliveryCounts:
        """Count the deliveries of *channel* by outcome."""
        ((total, delivered, refused, withheld),) = self._database.read(
            lambda session: session.rows(_COUNTS, {"channel": channel})
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
        return self._database.read(lambda session: read_deliveries(session, channel, entity, among))

    def _settle(
        self,
        notice: Notice,
        now_ns: int,
        outcome: str,
        *,
        delivered: int | None = None,
        refused: int | None = None,
        failure: str | None = None,
        wait_seconds: float = 0.0,
        is_sealed: bool = True,
        parts: Sequence[Notice] = (),
    ) -> None:
        """Record an attempt, and change the notifications that this collector still holds.

        Args:
            notice: Message that was sent.
            now_ns: Wall time, Unix nanoseconds.
            outcome: Outcome of the attempt.
            delivered: Wall time of the delivery; None without one.
            refused: Wall time of the refusal; None without one.
            failure: Reason; None if it was delivered.
            wait_seconds: Time for which no collector may retry.
            is_sealed: Whether the notifications stay in one message with its key.
            parts: Messages into which it is split; none if it stays one.
        """
        attempt = {
            "id": notice.id,
            "key": notice.key,
            "now": now_ns,
            "outcome": outcome,
            "reason": failure or "",
        }
        values = {
            "key": notice.key,
            "holder": self._holder,
            "delivered": delivered,
            "refused": refused,
            "failure": failure,
            "wait": wait_seconds,
            "sealed": is_sealed,
        }

        def settle(session: Session) -> None:
            session.execute(_ATTEMPT, attempt)
            before_ns = now_ns - ATTEMPTS_KEPT_SECONDS * NANOSECONDS
            session.execute(_FORGET, {"id": notice.id, "before": before_ns})
            for part in parts or [notice]:
                new_key = uuid.uuid4().hex if parts else None
                session.execute(_SETTLE, {**values, "ids": part.ids, "new_key": new_key})

        self._database.write(settle)


def _notice(session: Session, row: tuple[Any, ...], key: str, *, is_repeat: bool) -> Notice:
    entity, episode = row[3], row[4]
    transition = read_transition(session, entity, row[10])
    (shown,) = read_episodes(session, entity, is_open=None, episode=episode)
    asked = {
        "entity": entity,
        "episode": episode,
        "status": AlertStatus.ALERTING.value,
        "since": transition.recorded_ns - FLAPPING_NS,
        "now": transition.recorded_ns,
    }
    ((openings,),) = session.rows(RECENT_OPENINGS, asked)
    return Notice(
        id=row[0],
        key=key,
        attempts=row[9],
        is_repeat=is_repeat,
        episode=shown,
        transition=transition,
        after_silence=row[11] > 0,
        openings=openings,
        is_acknowledgement=row[7] and row[12] is None,
        action=None if row[12] is None else read_turn(session, row[12]),
    )


def _not_outlived(
    session: Session, rows: list[tuple[Any, ...]], now_ns: int
) -> list[tuple[Any, ...]]:
    """Withhold openings whose episode closed while a silence held them; return the other *rows*."""
    gone = [row[0] for row in rows if _is_outlived(session, row)]
    if gone:
        session.execute(_REPLACE, {"now": now_ns, "ids": gone})
    return [row for row in rows if row[0] not in gone]


def _after_openings(
    session: Session, rows: list[tuple[Any, ...]], channel: str, now_ns: int
) -> list[tuple[Any, ...]]:
    """Return *rows* without the acknowledgements that wait, or are withheld, with their opening."""
    sendable = {row[0] for row in rows}
    turns = {row[0]: _turn(session, row, channel, sendable) for row in rows}
    if gone := [one for one, turn in turns.items() if turn is Turn.NEVER]:
        session.execute(_REPLACE, {"now": now_ns, "ids": gone})
    return [row for row in rows if turns[row[0]] is Turn.NOW]


def _turn(session: Session, row: tuple[Any, ...], channel: str, sendable: set[int]) -> Turn:
    waiting = _waiting_of(row)
    if waiting.status != ACKNOWLEDGEMENT or waiting.is_sealed:
        return Turn.NOW
    asked = {
        "entity": waiting.entity,
        "episode": waiting.episode,
        "status": AlertStatus.ALERTING.value,
        "channel": channel,
        "id": waiting.id,
    }
    openings = dict(session.rows(_OPENINGS_BEFORE, asked))
    return turn_of_acknowledgement(openings, sendable)


def _is_outlived(session: Session, row: tuple[Any, ...]) -> bool:
    entity, episode, transition, held_until_ns = row[3], row[4], row[10], row[11]
    waiting = _waiting_of(row)
    if not held_until_ns or waiting.is_sealed or waiting.status != AlertStatus.ALERTING.value:
        return False
    (shown,) = read_episodes(session, entity, is_open=None, episode=episode)
    return is_outlived(shown, read_transition(session, entity, transition), held_until_ns)


def _waiting_of(row: tuple[Any, ...]) -> Waiting:
    return Waiting(
        id=row[0],
        key=row[1],
        is_sealed=row[2],
        entity=row[3],
        episode=row[4],
        status=status_of(row[5], row[12], is_acknowledgement=row[7]),
        created_ns=row[6],
        run=row[13],
    )
