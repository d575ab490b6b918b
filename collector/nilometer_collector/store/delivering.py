"""The store's interface for queued notifications, which `Store.deliveries` implements."""

from collections.abc import Collection
from typing import Protocol

from nilometer_collector.store.delivery_records import DeliveryCounts, DeliveryRecord, Notice

MOST_DELIVERIES = 1000  # deliveries in one response, and of which a message is composed
MOST_WAIT_SECONDS = 600.0  # longest wait between two attempts at one delivery
ATTEMPTS_KEPT_SECONDS = 90 * 86_400  # time for which attempts are kept
LEASE_SECONDS = 32.0  # longest time that one collector keeps a delivery; an attempt takes up to 8 s


class Deliveries(Protocol):
    """The queue of notifications, oldest first, with the outcome of each."""

    def take(self, channel: str, now_ns: int, *, is_grouping: bool = True) -> Notice | None:
        """Return the next message of *channel*; None if there is none or it must wait.

        A message that may have arrived comes first, with the same key and the same notifications.
        Else it begins with the oldest notification that may be sent. It may also tell others of the
        same entity, or of many entities in a storm. After a failed attempt, an older state of an
        episode is left out if a newer one waits.

        If several collectors share the store, no other collector gets a delivery of the channel
        before the outcome is recorded or `LEASE_SECONDS` have passed. No collector gets it before
        the time that `failed` has set, measured by the clock of the store's server if it has one.

        Args:
            channel: Name of the channel.
            now_ns: Wall time, Unix nanoseconds.
            is_grouping: Whether a message may tell more than one notification.
        """
        ...

    def standing(self, channel: str) -> Notice | None:
        """Return a message of the open episodes whose opening *channel* has accepted; None without any.

        It tells the last accepted opening of each, of at most `MOST_DELIVERIES` episodes.
        """
        ...

    def delivered(self, notice: Notice, now_ns: int) -> None:
        """Record that the channel has accepted a message.

        A report that comes too late only adds an attempt, here and below: the lease has ended and
        another collector has taken the message, or its notifications are in another one by now.
        """
        ...

    def refused(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept a message."""
        ...

    def split(self, notice: Notice, now_ns: int, failure: str) -> None:
        """Record that the channel refused a message, and queue its halves as messages of their own.

        The halves have new keys. A receiver that took the message, whose response was lost, and that
        refuses the repetition, gets its notifications twice: better twice than never.

        Args:
            notice: Message that tells at least two notifications.
            now_ns: Wall time, Unix nanoseconds.
            failure: Reason.
        """
        ...

    def failed(
        self,
        notice: Notice,
        now_ns: int,
        failure: str,
        wait_seconds: float = 0.0,
        *,
        may_have_arrived: bool = False,
    ) -> None:
        """Record a failed attempt; the message stays queued.

        Args:
            notice: Message as `take` has returned it.
            now_ns: Wall time, Unix nanoseconds.
            failure: Reason.
            wait_seconds: Time for which no collector may retry, at most `MOST_WAIT_SECONDS`.
            may_have_arrived: Whether the receiver may have got it, such as without a response. It is
                then sent again as it is, with the same key, until it is accepted or refused.
        """
        ...

    def records(
        self,
        channel: str | None = None,
        entity: str | None = None,
        *,
        among: Collection[str] | None = None,
    ) -> list[DeliveryRecord]:
        """List the newest `MOST_DELIVERIES` deliveries, newest first, with their attempts.

        Args:
            channel: Only deliveries to this channel; None for all.
            entity: Only deliveries about this entity; None for all.
            among: Entities that the asker may see; None for all.
        """
        ...

    def counts(self, channel: str) -> DeliveryCounts:
        """Count the deliveries of *channel* by outcome."""
        ...
