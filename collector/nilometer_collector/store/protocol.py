"""The store as the rest of the collector sees it: verbs of the domain, no database.

A change is durable when its call returns. Any thread may call. Every verb raises
`StoreUnavailable` if the database cannot be read or written, and `Refused` for a name that
contains NUL or half of a surrogate pair. The tests in `tests/collector/store` hold every implementation
to the same behaviour.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from nilometer.alert import Alerter, AlertStatus
from nilometer.profile import Reference
from nilometer.values.labels import Labels
from nilometer_collector.store.levels import Level
from nilometer_collector.store.records import (
    DeliveryCounts,
    EntityTotals,
    EpisodeRecord,
    LevelRecord,
    Notice,
    ReferenceRecord,
    RollUp,
    SampleRecord,
    SeriesRecord,
    Shipment,
    Shipped,
    Size,
    StalePart,
    Stretch,
)
from nilometer_collector.store.watching import Watching

MOST_EPISODES = 1000  # in one response
ROLL_UP_LEASE_SECONDS = 30.0  # time that one collector rolls up; it asks again with every step
PAGE_BYTES = 8 << 20  # payloads that `RollUps.samples` has in memory at once, about
MOST_GROUPS = 8  # samples that a part is merged to, if its samples do not merge with each other
SETTLE_SECONDS = 30.0  # time after a window's end, or after late data, before it is rolled up
MOST_WAIT_SECONDS = 600.0  # between two attempts at one delivery
LEASE_SECONDS = 20.0  # longest time that one collector keeps a delivery; an attempt takes up to 5 s


class Samples(Protocol):
    """Series and samples. A stored sample never changes."""

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        """List the series by name, optionally of one *entity* or one *summary* only."""
        ...

    def totals(self) -> list[EntityTotals]:
        """List every entity that has samples, by name, without a look at them."""
        ...

    def size(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> Size:
        """Return the number and bytes of the samples that `read` returns, at most *limit*."""
        ...

    def read(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        """Read samples that overlap [start, end), in any order; log corrupt ones and skip them.

        The result holds every observation of the span once, whatever the level: what is not rolled
        up yet is read from the finer levels, and what retention has removed from *level* is read
        from the coarser ones. So a window may have several samples, of several levels, and each says
        its level. Merge them by the window of the answer.

        Args:
            series: Series to read.
            start_ns: Start of the span.
            end_ns: End of the span.
            limit: Largest number of samples.
            level: Coarsest level to read where all levels hold the span. A caller that merges into
                aligned windows of a step asks for the coarsest level whose windows divide the step.
        """
        ...


class RollUps(Protocol):
    """Roll-ups of samples, and which of them are stale: they lack samples.

    `Store.ship` marks the parts that new samples belong to as stale, in the same transaction. One
    worker takes them, merges their samples and puts the result. Until then, `Samples.read` reads the
    finer level. If several collectors share the store, one of them does this work: it holds it for
    `ROLL_UP_LEASE_SECONDS`, and longer with each call of `take`.
    """

    def take(self, level: Level, now_ns: int, limit: int) -> list[StalePart]:
        """List at most *limit* stale parts of *level* that are due at *now_ns*, longest due first.

        The list is empty while another collector holds the work.
        """
        ...

    def samples(self, stale: Sequence[StalePart]) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part in canonical order: equal samples come in equal order.

        A part with more than about `PAGE_BYTES` of samples is yielded several times in a row, and one
        without readable samples is yielded with none. Corrupt samples are logged and left out.
        """
        ...

    def put(self, rolled: Sequence[RollUp], now_ns: int) -> int:
        """Replace the roll-ups of these parts, and mark the coarser parts as stale.

        A part that got a further sample since `take` stays stale.

        Returns:
            Number of parts that were replaced; 0 if another collector holds the work.
        """
        ...

    def retire(self, now_ns: int, keep_ns: Mapping[Level, int]) -> int:
        """Remove samples and roll-ups by the age of their arrival, a bounded number at a time.

        Nothing is removed before it is rolled up to the next level, nor while it is pinned. What a
        call decides to remove is no longer read; the next calls free its space. Whole days are
        removed, so a row stays for up to a day longer.

        Args:
            now_ns: Wall time.
            keep_ns: Time in nanoseconds to keep each level, at least as long as the finer ones.

        Returns:
            Number of removed rows; 0 if there is nothing left to remove for now, or another collector
            holds the work.
        """
        ...

    def levels(self) -> list[LevelRecord]:
        """Return what each level holds, finest first."""
        ...


class Pins(Protocol):
    """Spans of series whose roll-ups stay after their retention, each under a name."""

    def put(
        self,
        name: str,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        level: Level = Level.FIVE_MINUTES,
    ) -> None:
        """Keep the windows of *level* that overlap [start, end) until `remove` is called.

        A window that retention has removed before does not come back. An earlier span under the
        same name is replaced.

        Args:
            name: Name of the span, such as that of the baseline that was learned from it.
            series: Series to keep.
            start_ns: Start of the span.
            end_ns: End of the span.
            level: Level of the windows; one of the roll-ups, because samples as shipped cannot be
                kept longer.

        Raises:
            ValueError: If *level* is `SHIPPED`.
        """
        ...

    def remove(self, name: str) -> bool:
        """Leave the span to retention again; return False if there is no such name."""
        ...

    def names(self) -> list[str]:
        """List all names, ascending."""
        ...

    def read(self, name: str, limit: int) -> list[SampleRecord]:
        """Read at most *limit* samples of the span, at its level where they are rolled up."""
        ...


class References(Protocol):
    """Versions of references. A version never changes; each name has one current version."""

    @property
    def generation(self) -> int:
        """Number that differs after a version was added, so that a reader can empty its cache."""
        ...

    def put(self, reference: Reference, now_ns: int) -> None:
        """Make *reference* the current version of its name; add a version if its digest is new."""
        ...

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        """List the references of all entities or of one.

        Args:
            entity: Name of the entity; None for all entities.
            current: Whether to list only current versions; else all versions, oldest first.
        """
        ...

    def read(self, record: ReferenceRecord) -> Reference | None:
        """Read the whole reference; return None if its checksum does not match."""
        ...


class Alerts(Protocol):
    """Alerters, the state of each agent for each alerter, and episodes."""

    def put(self, alerter: Alerter, origin: str, now_ns: int) -> None:
        """Create or replace the alerter of this entity and name.

        It closes open episodes of summaries that the alerter no longer watches.
        """
        ...

    def replace_all(self, alerters: list[Alerter], origin: str, now_ns: int) -> None:
        """Make *alerters* the only alerters of *origin*; delete its others."""
        ...

    def delete(self, entity: str, name: str, now_ns: int) -> bool:
        """Delete an alerter and close its episodes; return False if it does not exist."""
        ...

    def alerters(self, entity: str | None = None) -> list[Alerter]:
        """List the alerters of all entities or of *entity*, by name; log unreadable alerters."""
        ...

    def unread_alerters(self, entity: str | None = None) -> list[tuple[Alerter, str]]:
        """List the alerters that cannot be read, each with the reason."""
        ...

    def expire(self, now_ns: int, since_ns: int) -> int:
        """Close episodes that no agent judges any more; return the number of deliveries queued.

        An agent counts as gone after `SILENT_WINDOWS` of its windows, and at least
        `SILENT_SECONDS`, without an evaluation. Episodes of the default alerter stay.

        Args:
            now_ns: Wall time now.
            since_ns: Wall time since which this collector has listened.
        """
        ...

    def judged(self) -> set[tuple[str, str]]:
        """Return each (entity, summary) that an alerter has judged at least once."""
        ...

    def statuses(self) -> list[tuple[str, str, str, Labels, AlertStatus]]:
        """List (entity, alerter, summary, labels, status over all agents) of everything judged."""
        ...

    def open_episodes(self) -> list[tuple[str, str]]:
        """List the (entity, summary) of every open episode."""
        ...

    def entities(self) -> set[str]:
        """Return the entities that have an alerter or an episode."""
        ...

    def episodes(
        self, entity: str | None = None, *, is_open: bool | None = None
    ) -> list[EpisodeRecord]:
        """List episodes with their history, newest first, at most `MOST_EPISODES`."""
        ...


class Deliveries(Protocol):
    """The queue of notifications, oldest first, with the outcome of each."""

    def take(self, channel: str, now_ns: int) -> Notice | None:
        """Return the oldest queued delivery of *channel*; None if there is none, or it must wait.

        If several collectors share the store, no other gets a delivery of the channel before the
        outcome is recorded or `LEASE_SECONDS` have passed. No collector gets one before the time that
        `failed` has set, by the clock of the store's server if it has one.

        Args:
            channel: Name of the channel.
            now_ns: Wall time.
        """
        ...

    def delivered(self, delivery: int, now_ns: int) -> None:
        """Record that the channel has accepted the delivery."""
        ...

    def refused(self, delivery: int, now_ns: int, failure: str) -> None:
        """Record that the channel will never accept the delivery."""
        ...

    def failed(self, delivery: int, now_ns: int, failure: str, wait_seconds: float = 0.0) -> None:
        """Record a failed attempt; the delivery stays queued.

        Args:
            delivery: Id of the delivery.
            now_ns: Wall time.
            failure: Reason.
            wait_seconds: Time before which no collector may try again, at most `MOST_WAIT_SECONDS`.
        """
        ...

    def counts(self, channel: str) -> DeliveryCounts:
        """Count the deliveries of *channel* by outcome."""
        ...


class Store(Protocol):
    """All persistent data of the collector."""

    @property
    def samples(self) -> Samples:
        """Series and samples."""
        ...

    @property
    def rollups(self) -> RollUps:
        """Roll-ups of samples."""
        ...

    @property
    def pins(self) -> Pins:
        """Spans that stay after their retention."""
        ...

    @property
    def references(self) -> References:
        """Versions of references."""
        ...

    @property
    def alerts(self) -> Alerts:
        """Alerters and episodes."""
        ...

    @property
    def watching(self) -> Watching:
        """State of the default alerter."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """Queued notifications."""
        ...

    @property
    def names_key(self) -> bytes:
        """Key of the pseudonyms of this installation, 32 random bytes."""
        ...

    def ship(self, shipment: Shipment, now_ns: int) -> Shipped:
        """Store the new rows and their effects on alerts, in one transaction.

        Raises:
            StoreUnavailable: If the database fails. Nothing was stored then, unless the connection
                was lost while the database committed; the rows are safe to ship again.
        """
        ...

    def check_writable(self) -> None:
        """Check that rows can be stored now."""
        ...

    def close(self) -> None:
        """Close the database. Safe to repeat."""
        ...
