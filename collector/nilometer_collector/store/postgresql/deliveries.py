"""The queue of notifications in PostgreSQL, oldest first, with the outcome of each.

Several collectors deliver from one queue. The oldest delivery is held by one of them until its outcome
is recorded, so none is sent twice and their order stays. If that collector ends, another takes over
after `LEASE_SECONDS`. After a failed attempt, nobody tries again before the time that the receiver has
asked for. The server's clock decides, because the clocks of collectors may differ. A silence ends by
the collector's clock.
"""

import uuid

from nilometer_collector.store.deciding import is_outlived
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.episodes import read_episodes, read_transition
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.protocol import LEASE_SECONDS
from nilometer_collector.store.records import DeliveryCounts, Notice
from nilometer_collector.store.texts import short_text

_OLDEST = """
SELECT d.id, d.key, d.attempts, d.entity, d.transition, t.episode,
       (d.holder IS NOT NULL AND d.holder <> %(holder)s AND d.held_until > clock_timestamp())
       OR COALESCE(d.not_before > clock_timestamp(), false),
       d.held_until_ns
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE d.channel = %(channel)s AND d.delivered_ns IS NULL AND d.refused_ns IS NULL
  AND d.withheld_ns IS NULL AND d.held_until_ns <= %(now)s
ORDER BY d.id LIMIT 1 FOR UPDATE OF d
"""
_HOLD = """
UPDATE deliveries SET holder = %(holder)s,
  held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s
"""
_WITHHOLD = "UPDATE deliveries SET withheld_ns = %(now)s WHERE id = %(id)s"
_SETTLE = """
UPDATE deliveries SET attempts = attempts + 1,
  delivered_ns = COALESCE(delivered_ns, %(delivered)s), refused_ns = COALESCE(refused_ns, %(refused)s),
  last_failure = COALESCE(%(failure)s, last_failure),
  not_before = clock_timestamp() + make_interval(secs => %(wait)s)
WHERE id = %(id)s
"""
_COUNTS = """
SELECT count(*), count(delivered_ns), count(refused_ns), count(withheld_ns)
FROM deliveries WHERE channel = %(channel)s
"""


class Deliveries:
    """Reads queued deliveries and records their outcome."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holder = uuid.uuid4().hex

    def take(self, channel: str, now_ns: int) -> Notice | None:
        """Return the oldest queued delivery of *channel*; None if there is none, or it must wait."""
        return self._database.write(lambda session: self._take(session, channel, now_ns))

    def _take(self, session: Session, channel: str, now_ns: int) -> Notice | None:
        asked = {"channel": channel, "holder": self._holder, "now": now_ns}
        while (found := session.row(_OLDEST, asked)) is not None:
            delivery, key, attempts, entity, transition, episode, must_wait, held_until_ns = found
            if must_wait:
                return None
            (shown,) = read_episodes(session, entity, is_open=None, episode=episode)
            turn = read_transition(session, entity, transition)
            if is_outlived(shown, turn, held_until_ns):
                session.execute(_WITHHOLD, {"id": delivery, "now": now_ns})
                continue
            lease = {"id": delivery, "holder": self._holder, "seconds": LEASE_SECONDS}
            session.execute(_HOLD, lease)
            return Notice(
                id=delivery,
                key=key,
                attempts=attempts,
                episode=shown,
                transition=turn,
                after_silence=held_until_ns > 0,
            )
        return None

    def delivered(self, delivery: int, now_ns: int) -> None:
        """Record that the channel has accepted the delivery."""
        self._settle(delivery, delivered=now_ns)

    def refused(self, delivery: int, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept the delivery."""
        self._settle(delivery, refused=now_ns, failure=short_text(failure))

    def failed(self, delivery: int, now_ns: int, failure: str, wait_seconds: float = 0.0) -> None:
        """Record a failed attempt; the delivery stays queued, and this collector keeps it."""
        del now_ns  # the server's clock is used
        self._settle(delivery, failure=short_text(failure), wait_seconds=wait_seconds)

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

    def _settle(
        self,
        delivery: int,
        *,
        delivered: int | None = None,
        refused: int | None = None,
        failure: str | None = None,
        wait_seconds: float = 0.0,
    ) -> None:
        values = {
            "id": delivery,
            "delivered": delivered,
            "refused": refused,
            "failure": failure,
            "wait": wait_seconds,
        }
        self._database.write(lambda session: session.execute(_SETTLE, values))
