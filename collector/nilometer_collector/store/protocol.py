"""The store's interface for the rest of the collector, in terms of the domain.

A change is durable when its call returns. Any thread may call. Every method raises
`StoreUnavailable` if the database cannot be read or written, and `Refused` for a name that contains
NUL or a lone surrogate. The tests in `tests/collector/store` require the same behaviour from every
implementation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from nilometer.profile import Reference
from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.store.acting import Actions
from nilometer_collector.store.alerting_verbs import Alerts
from nilometer_collector.store.auditing import AuditLog
from nilometer_collector.store.changing import History
from nilometer_collector.store.deciding import Decisions
from nilometer_collector.store.declaring import Entities
from nilometer_collector.store.delivering import Deliveries
from nilometer_collector.store.levels import Level
from nilometer_collector.store.named import Objects
from nilometer_collector.store.prediction_verbs import Predictions
from nilometer_collector.store.records import (
    EntityTotals,
    LevelRecord,
    ReferenceRecord,
    RollUp,
    SeriesRecord,
    Size,
    StalePart,
    Stretch,
    Uncollected,
)
from nilometer_collector.store.shipments import Shipment, Shipped
from nilometer_collector.store.truth_verbs import Truths
from nilometer_collector.store.watching import Watching

ROLL_UP_LEASE_SECONDS = 30.0  # lease of one collector for rolling up; each step renews it
PAGE_BYTES = 8 << 20  # approximate size of one page of payloads in memory
MOST_GROUPS = 8  # results of a part if its samples do not all merge
SETTLE_SECONDS = 30.0  # time after a window's end, or after late data, before it is rolled up


class Samples(Protocol):
    """Series and samples. A stored sample never changes."""

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        """List the series by name; *entity* and *summary* restrict the list."""
        ...

    def totals(self) -> list[EntityTotals]:
        """List every entity that has samples, by name, without reading the samples."""
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

        The result contains every observation of the span once, at any level. Data that is not
        rolled up yet is read from finer levels. Data that retention has removed from *level* is
        read from coarser levels. So a window may have several samples of several levels, each of
        which names its level.

        Args:
            series: Series to read.
            start_ns: Start of the span.
            end_ns: End of the span.
            limit: Largest number of samples.
            level: Coarsest level to read from, where all levels have data. A caller that merges
                into aligned windows of a step passes the coarsest level whose windows divide the
                step.
        """
        ...

    def read_all(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        most: Size,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        """Read like `read`, but either all samples or none.

        Args:
            series: Series to read.
            start_ns: Start of the span.
            end_ns: End of the span.
            most: Largest number of samples, and of their bytes.
            level: Coarsest level to read from, as in `read`.

        Raises:
            TooLarge: If more match. It is found before much more than *most* is read.
        """
        ...


class RollUps(Protocol):
    """Roll-ups of samples. A roll-up that lacks samples is stale.

    `Store.ship` marks the parts that new samples belong to as stale, in the same transaction. One
    worker takes them, merges their samples and stores the result. Until then, `Samples.read` reads
    the finer level. If several collectors share the store, one of them does this work: it has a
    lease for `ROLL_UP_LEASE_SECONDS`, which each call of `take` renews.
    """

    def take(self, level: Level, now_ns: int, limit: int) -> list[StalePart]:
        """List at most *limit* stale parts of *level* due at *now_ns*, longest overdue first.

        The list is empty while another collector has the lease.
        """
        ...

    def collect(self) -> int:
        """Add what shipments have only logged to the statistics of series and the stale parts.

        Reads are complete before, but take longer. `take` collects, too. Any collector may call it.

        Returns:
            Number of samples; 0 if none wait, another collector collects, or `Store.ship` itself
            changes the statistics.
        """
        ...

    def uncollected(self) -> Uncollected:
        """Return how many samples wait for `collect`, and since when."""
        ...

    def samples(self, stale: Sequence[StalePart]) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part in canonical order: equal samples are in equal order.

        A part with more than about `PAGE_BYTES` of samples is yielded several times in a row. A
        part without readable samples is yielded with an empty list. Corrupt samples are logged and
        left out.
        """
        ...

    def put(self, rolled: Sequence[RollUp], now_ns: int) -> int:
        """Replace the roll-ups of these parts, and mark the coarser parts as stale.

        A part that received another sample since `take` stays stale.

        Returns:
            Number of parts that were replaced; 0 if another collector has the lease.
        """
        ...

    def retire(self, now_ns: int, keep_ns: Mapping[Level, int]) -> int:
        """Remove samples and roll-ups by the age of their arrival, a limited number at a time.

        Nothing is removed before it is rolled up to the next level. Data that a call decides to
        remove is no longer read; later calls free its space. Whole days are removed, so a row may
        be kept for up to one day longer.

        Args:
            now_ns: Wall time, Unix nanoseconds.
            keep_ns: Time in nanoseconds to keep each level, at least as long as the finer ones.

        Returns:
            Number of removed rows; 0 if nothing can be removed now, or another collector has the
            lease.
        """
        ...

    def levels(self) -> list[LevelRecord]:
        """Return the content of each level, finest first."""
        ...


class References(Protocol):
    """Versions of references. A version never changes; each name has one current version."""

    @property
    def generation(self) -> int:
        """Number that changes with the versions and the current ones, for readers with a cache."""
        ...

    def put(
        self,
        reference: Reference,
        now_ns: int,
        *,
        is_current: bool = True,
        expires_ns: int | None = None,
    ) -> None:
        """Add a version if the digest is new; make it the current one of its name if *is_current*.

        A version that is current stays current. Only a version that becomes current gets a new
        expiry.
        """
        ...

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        """List the references of all entities or of one.

        Args:
            entity: Name of the entity; None for all entities.
            current: Whether to list only current versions; otherwise all versions, oldest first.
        """
        ...

    def read(self, record: ReferenceRecord) -> Reference | None:
        """Read the whole reference; return None if its checksum does not match."""
        ...

    def packed(self, record: ReferenceRecord) -> bytes | None:
        """Return the whole reference as `reference_to_bytes` packs it, like `read`."""
        ...


class Store(Protocol):
    """All persistent data of the collector."""

    @property
    def workspaces(self) -> Workspaces:
        """Workspaces of the settings, which keep entities, channels, routes and targets apart."""
        ...

    @property
    def samples(self) -> Samples:
        """Series and samples."""
        ...

    @property
    def rollups(self) -> RollUps:
        """Roll-ups of samples."""
        ...

    @property
    def predictions(self) -> Predictions:
        """Logged predictions."""
        ...

    @property
    def truths(self) -> Truths:
        """Ground truth, and the windows of judged predictions."""
        ...

    @property
    def entities(self) -> Entities:
        """Declared entities."""
        ...

    @property
    def history(self) -> History:
        """Changes of declared objects."""
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
    def audit(self) -> AuditLog:
        """Who changed what, or tried to without the right."""
        ...

    @property
    def decisions(self) -> Decisions:
        """What people decide about episodes."""
        ...

    @property
    def channels(self) -> Objects[ChannelDefinition]:
        """Channels that users have defined."""
        ...

    @property
    def routes(self) -> Objects[RouteDefinition]:
        """Routes from episodes to channels."""
        ...

    @property
    def targets(self) -> Objects[TargetDefinition]:
        """Targets of actions."""
        ...

    @property
    def actions(self) -> Actions:
        """Runs of actions."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """Queued notifications."""
        ...

    @property
    def own_channel(self) -> str:
        """Name of the channel that this collector has by its settings; empty for none."""
        ...

    @property
    def names_key(self) -> bytes:
        """Key for pseudonyms of this installation, 32 random bytes."""
        ...

    @property
    def links_key(self) -> bytes:
        """Key of the signed links and of the fingerprints of secrets, 32 random bytes."""
        ...

    def ship(self, shipment: Shipment, now_ns: int) -> Shipped:
        """Store the new rows and their effects on alerts, in one transaction.

        Raises:
            StoreUnavailable: If the database fails. Nothing was stored then, unless the connection
                was lost while the database committed; the rows are safe to ship again.
        """
        ...

    def newest_end_ns(self) -> int | None:
        """Return the newest end of a window that agents observed, Unix nanoseconds, or None."""
        ...

    def check_writable(self) -> None:
        """Check that rows can be stored now."""
        ...

    def close(self) -> None:
        """Close the database. May be called twice."""
        ...
