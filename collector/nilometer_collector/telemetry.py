"""The collector's metrics: alerters, age of data, size of the store, its own counters and cost.

The collector does not export distributions. Each agent exports its own distributions, and a second
source would count the same observations twice.
"""

import socket
from collections.abc import Callable, Iterable

from nilometer.alert import AlertStatus
from nilometer.export.exports import Exports, ExportSettings
from nilometer.export.keys import ALERTER, ENTITY, LEVEL, STATUS, SUMMARY, THREAD
from nilometer.export.metric import Exporter
from nilometer.export.otlp_settings import Event, OtlpSettings
from nilometer.export.own import add_cost, add_counters, where
from nilometer.export.resource import resource_attributes
from nilometer.export.series import Family, Series, attributes_of
from nilometer.export.telemetry import (
    ALERT_STATUS,
    BACKGROUND_AGE,
    BACKGROUND_ERRORS,
    DATA_AGE,
    JUDGEMENT_AGE,
    LATE_ENTITIES,
    OBJECTS_UNREAD,
    STORE_ROWS,
    STORE_SIZE,
    STORE_STALE,
    STORE_UNCOLLECTED,
    STORE_UNCOLLECTED_AGE,
    UP,
)
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.errors import NilometerError
from nilometer_collector.background import Background
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.declared.listing import UnreadCount
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import ROLLED_UP, Store
from nilometer_collector.watch.watchdog import Health

WORST = (
    AlertStatus.ALERTING,
    AlertStatus.NO_DATA,
    AlertStatus.NOT_WATCHED,
    AlertStatus.LEARNING,
    AlertStatus.PAUSED,
    AlertStatus.OK,
)

COUNTED = {
    Event.TAKEN: Counter.EXPORTS,
    Event.FAILED: Counter.EXPORT_FAILURES,
    Event.POINTS_REJECTED: Counter.EXPORT_POINTS_REJECTED,
    Event.REPLY_UNREADABLE: Counter.EXPORT_REPLIES_UNREADABLE,
    Event.INTERVAL_DROPPED: Counter.EXPORT_INTERVALS_DROPPED,
}


class CollectorExports(Exports):
    """Exports the collector's metrics over OTLP and to Prometheus.

    Args:
        settings: Settings of the collector, with the addresses of the exports.
        store: Store of alert states and series.
        counters: Counters to export.
        clock: Clock for wall time and monotonic time.
        health: Function that says whether the monitoring works.
        threads: Function that returns the threads that work in the background.

    Raises:
        ConfigError: If the port cannot be bound.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        store: Store,
        counters: Counters,
        clock: Clock,
        health: Callable[[], Health],
        threads: Callable[[], Iterable[Background]] = tuple,
    ) -> None:
        self._store = store
        self._unread = UnreadCount(store)
        self._health = health
        self._threads = threads
        self._counters = counters
        self._clock = clock
        super().__init__(
            ExportSettings(
                otlp=OtlpSettings(
                    endpoint=settings.otlp_endpoint,
                    protocol=settings.otlp_protocol,
                    temporality=settings.otlp_temporality,
                    interval_seconds=settings.otlp_interval_seconds,
                    use_proxy=settings.otlp_use_proxy,
                ),
                metrics_address=settings.metrics_address,
                peers_by_address=settings.peers_by_address,
                resource=resource_attributes(
                    "nilometer-collector",
                    f"{socket.gethostname()}:{_place(settings)}",
                ),
            ),
            self.families,
            self._ready,
            lambda event, amount: counters.add(COUNTED[event], amount),
            clock,
        )

    def families(self) -> list[Family]:
        """Return all current metrics."""
        series = Series()
        # Alerting series come first, so that the limit on series only drops healthy ones.
        statuses = self._store.alerts.statuses()
        for now in sorted(statuses, key=lambda status: WORST.index(status.status)):
            at = dict(where(now.entity, now.labels)) | {SUMMARY: now.summary, ALERTER: now.alerter}
            for told in AlertStatus:
                here = attributes_of({**at, STATUS: told.value})
                series.set(ALERT_STATUS, here, int(told is now.status))
        newest: dict[str, int] = {}
        for one in self._store.samples.series():
            newest[one.entity] = max(newest.get(one.entity, 0), one.last_end_ns)
        now_ns = self._clock.now_ns()
        for entity, end_ns in newest.items():
            age = max(now_ns - end_ns, 0) / NANOSECONDS
            series.set(DATA_AGE, attributes_of({ENTITY: entity}), age)
        health = self._health()
        series.set(UP, (), int(health.is_up))
        series.set(JUDGEMENT_AGE, (), health.progress_age_seconds)
        series.set(LATE_ENTITIES, (), health.late)
        for thread in self._threads():
            named = attributes_of({THREAD: thread.name})
            series.set(BACKGROUND_AGE, named, thread.age_seconds)
            series.set(BACKGROUND_ERRORS, named, thread.errors)
        for held in self._store.rollups.levels():
            at_level = attributes_of({LEVEL: held.level.value})
            series.set(STORE_ROWS, at_level, held.rows)
            series.set(STORE_SIZE, at_level, held.bytes)
            if held.level in ROLLED_UP:
                series.set(STORE_STALE, at_level, held.stale)
        series.set(OBJECTS_UNREAD, (), self._unread.read())
        waiting = self._store.rollups.uncollected()
        age = max(now_ns - waiting.oldest_ns, 0) / NANOSECONDS if waiting.rows else 0.0
        series.set(STORE_UNCOLLECTED, (), waiting.rows)
        series.set(STORE_UNCOLLECTED_AGE, (), age)
        logged = self._store.predictions.totals().values()
        at_level = attributes_of({LEVEL: "predictions"})
        series.set(STORE_ROWS, at_level, sum(one.rows for one in logged))
        series.set(STORE_SIZE, at_level, sum(one.bytes for one in logged))
        self._counters.add(Counter.SERIES_OVERFLOWED, series.overflowed)
        counts = {counter.value: count for counter, count in self._counters.read().items()}
        add_counters(series, Exporter.COLLECTOR, counts)
        add_cost(series)
        return series.families()

    def _ready(self) -> bool:
        try:
            self._store.check_writable()
        except NilometerError:
            return False
        return True


def _place(settings: CollectorSettings) -> str:
    """Return text that identifies this collector on its host: its own file, or its address."""
    if settings.store:
        return settings.grpc_address
    return settings.database_path.absolute().as_posix()
