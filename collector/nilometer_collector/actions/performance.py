"""Reads the newest performance of an entity, for actions whose condition names a metric."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer.values.entity import SCHEMA, SERVICE, role_of
from nilometer.values.window import Window
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.merging import merged_payloads
from nilometer_collector.store import SeriesRecord, Store

MOST_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class NewestPerformance:
    """Reads performance. Attribute `store` is the store of the samples."""

    store: Store

    def of(self, entity: str, metrics: Collection[str]) -> Mapping[str, float]:
        """Return the value of each of *metrics* in its newest window, over all traffic of *entity*."""
        found: dict[str, tuple[int, float]] = {}
        for series in self.store.samples.series(entity) if metrics else ():
            is_other = series.summary in {SCHEMA, SERVICE} or role_of(series.summary) is not None
            if is_other or len(series.labels):
                continue
            for name, value in self._newest(series).items():
                if name in metrics and series.last_end_ns >= found.get(name, (0, 0.0))[0]:
                    found[name] = (series.last_end_ns, value)
        return {name: value for name, (_, value) in found.items()}

    def _newest(self, series: SeriesRecord) -> Mapping[str, float]:
        window = Window(series.last_end_ns - max(series.last_window_ns, 1), series.last_end_ns)
        read = self.store.samples.read([series], window.start_ns, window.end_ns, MOST_SAMPLES)
        payloads = [payload for stretch in read for payload in stretch.payloads]
        if not payloads:
            return {}
        edges = ReferenceEdges(self.store.references).of(series.entity)
        sample = merged_payloads(payloads, window, series.labels, edges)
        content = None if sample is None else sample.content
        if not isinstance(content, Classification | Regression | Ranking | RowMetrics):
            return {}
        return {name: one.value for name, one in content.estimates().items()}
