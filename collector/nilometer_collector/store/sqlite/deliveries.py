"""The queue of notifications, oldest first, with the outcome of each."""

from typing import Any

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.deciding import is_outlived
from nilometer_collector.store.protocol import MOST_WAIT_SECONDS
from nilometer_collector.store.records import DeliveryCounts, Notice
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import read_episodes, read_transition
from nilometer_collector.store.texts import short_text

_MOST_WAIT_NS = int(MOST_WAIT_SECONDS * NANOSECONDS)


class Deliveries:
    """Reads queued deliveries and records their outcome. `Queue` queues them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, channel: str, now_ns: int) -> Notice | None:
        """Return the oldest queued delivery of *channel*; None if there is none or it must wait."""
        while (found := self._oldest(channel, now_ns)) is not None:
            delivery, key, attempts, episode, transition, not_before_ns, held_until_ns = found
            # A longer wait: the clock went back.
            if now_ns < not_before_ns <= now_ns + _MOST_WAIT_NS:
                return None
            (shown,) = read_episodes(self._database, episode=episode)
            turn = read_transition(self._database, transition)
            if not is_outlived(shown, turn, held_until_ns):
                return Notice(
                    id=delivery,
                    key=key,
                    attempts=attempts,
                    episode=shown,
                    transition=turn,
                    after_silence=held_until_ns > 0,
                )
            with self._database.write():
                self._database.execute(
                    "UPDATE deliveries SET withheld_ns = ? WHERE id = ?", (now_ns, delivery)
                )
        return None

    def _oldest(self, channel: str, now_ns: int) -> tuple[Any, ...] | None:
        return self._database.row(
            "SELECT d.id, d.key, d.attempts, t.episode, t.id, d.not_before_ns, d.held_until_ns "
            "FROM deliveries d JOIN transitions t ON t.id = d.transition WHERE d.channel = ? "
            "AND d.delivered_ns IS NULL AND d.refused_ns IS NULL AND d.withheld_ns IS NULL "
            "AND d.held_until_ns <= ? ORDER BY d.id LIMIT 1",
            (channel, now_ns),
        )

    def delivered(self, delivery: int, now_ns: int) -> None:
        """Record that the channel has accepted the delivery."""
        self._settle("delivered_ns = ?", delivery, now_ns)

    def refused(self, delivery: int, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept the delivery."""
        self._settle("refused_ns = ?, last_failure = ?", delivery, now_ns, short_text(failure))

    def failed(self, delivery: int, now_ns: int, failure: str, wait_seconds: float = 0.0) -> None:
        """Record a failed attempt; the delivery stays queued."""
        not_before_ns = now_ns + int(wait_seconds * NANOSECONDS)
        self._settle(
            "last_failure = ?, not_before_ns = ?", delivery, short_text(failure), not_before_ns
        )

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

    def _settle(self, what: str, delivery: int, *values: object) -> None:
        with self._database.write():
            self._database.execute(
                f"UPDATE deliveries SET attempts = attempts + 1, {what} WHERE id = ?",  # noqa: S608
                (*values, delivery),
            )
