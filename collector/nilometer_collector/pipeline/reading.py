"""Reads from the store what the picture of a pipeline needs of one entity."""

import logging
from collections.abc import Collection, Sequence

from nilometer.profile import Coverage, FeatureProfile, ServiceProfile, SummarySample
from nilometer.profile.callers import Callers
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import SERVICE
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.callers import Requests, requests_from_bytes
from nilometer_collector.pipeline.calls import Seen
from nilometer_collector.pipeline.records import Service
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.merging import merged_payloads
from nilometer_collector.store import Level, SeriesRecord, Store

SPAN_NS = 900 * NANOSECONDS  # newest time of an entity that figures and comparisons cover
LEARNED_NS = 86_400 * NANOSECONDS  # newest time of an entity whose calls are shown
MOST_SAMPLES = 2000  # samples that one figure is merged from


log = logging.getLogger("nilometer.collector")


class Reading:
    """Reads figures of entities. Thread-safe.

    Args:
        store: Store to read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._edges = ReferenceEdges(store.references)

    def seen(self, series: Sequence[SeriesRecord]) -> list[Seen]:
        """Return the callers of an entity in the windows of its last day."""
        chosen = _service_of(series)
        if not chosen:
            return []
        end_ns = _last_ns(chosen)
        payloads: dict[Window, list[bytes]] = {}
        start_ns = max(end_ns - LEARNED_NS, 0)
        for stretch in self._store.samples.read(chosen, start_ns, end_ns, MOST_SAMPLES, Level.HOUR):
            for one in stretch.records():
                window = Window(one.window_start_ns, one.window_end_ns)
                payloads.setdefault(window, []).append(one.payload)
        found = []
        for window, held in sorted(payloads.items()):
            parts = list(filter(None, map(_requests, held)))
            callers = Callers.merge_all(part.callers for part in parts)
            found.append(Seen(window, sum(part.requests for part in parts), callers))
        return found

    def service(self, series: Sequence[SeriesRecord], known: Collection[str]) -> Service | None:
        """Return the requests of an entity in its newest `SPAN_NS`; None without any.

        Args:
            series: Series of the entity.
            known: Names of all entities.
        """
        chosen = _service_of(series)
        end_ns = _last_ns(chosen)
        sample = self._merged(chosen, max(end_ns - SPAN_NS, 0), end_ns)
        if sample is None or not isinstance(sample.content, ServiceProfile):
            return None
        service, seconds = sample.content, sample.window.seconds
        coverage: Coverage = sample.coverage
        return Service(
            requests=service.count,
            rate=service.count / seconds,
            error_ratio=service.failures / service.count if service.count else None,
            latency_p99=service.latency.quantile(0.99),
            coverage=coverage.of_predictions(),
            unknown_callers=service.callers.others
            + sum(count for name, count in service.callers.named.items() if name not in known),
        )

    def feature(
        self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> FeatureProfile | None:
        """Return one column of an entity, merged over a span; None without values."""
        sample = self._merged(series, start_ns, end_ns)
        content = None if sample is None else sample.content
        return content if isinstance(content, FeatureProfile) else None

    def _merged(
        self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> SummarySample | None:
        """Merge the samples of a span; the result has the window that they cover."""
        if not series:
            return None
        found = self._store.samples.read(series, start_ns, end_ns, MOST_SAMPLES, Level.FIVE_MINUTES)
        records = [one for stretch in found for one in stretch.records()]
        if not records:
            return None
        window = Window(
            min(one.window_start_ns for one in records), max(one.window_end_ns for one in records)
        )
        edges_of = self._edges.of(series[0].entity)
        return merged_payloads([one.payload for one in records], window, Labels(), edges_of)


def _requests(payload: bytes) -> Requests | None:
    """Return the requests of a stored sample; None if it cannot be decoded."""
    try:
        return requests_from_bytes(payload)
    except ValueError as error:
        log.error(  # noqa: TRY400
            "stored sample cannot be decoded, leaving it out of the pipeline",
            extra={"reason": str(error)},
        )
        return None


def _service_of(series: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    return [one for one in series if one.summary == SERVICE]


def _last_ns(series: Sequence[SeriesRecord]) -> int:
    return max((one.last_end_ns for one in series), default=0)
