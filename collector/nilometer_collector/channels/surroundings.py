"""What a message says beside the drift: the health of the service, and a likely cause."""

import logging
from collections.abc import Sequence

from nilometer.profile import ServiceProfile
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import SERVICE
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import merged_sample_from_bytes
from nilometer_collector.access.links import ApprovalLink
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.channels.sparkline import sparkline
from nilometer_collector.store import EpisodeRecord, Store

HEALTH_SECONDS = 900  # span of the service's figures, up to the end of the window
MOST_SAMPLES = 500

log = logging.getLogger("nilometer.collector")


class Surroundings:
    """Reads what stands beside a drift from the store.

    Args:
        store: Store of samples, declarations and episodes.
        page_url: URL of the pages, without a final slash.
    """

    def __init__(self, store: Store, page_url: str) -> None:
        self._store = store
        self.page_url = page_url

    def approval_url(self, run: Run) -> str:
        """Return the signed URL of the request for approval of *run*."""
        link = ApprovalLink.signed(self._store.links_key, run.id, run.key, run.expires_ns)
        return link.url(self.page_url)

    def health(self, entity: str, end_ns: int) -> str:
        """Return one sentence on requests, failures and latency up to *end_ns*; empty without any."""
        series = [one for one in self._store.samples.series(entity, SERVICE) if not len(one.labels)]
        start_ns = end_ns - HEALTH_SECONDS * NANOSECONDS
        found = self._store.samples.read(series, start_ns, end_ns, MOST_SAMPLES)
        payloads = [payload for stretch in found for payload in stretch.payloads]
        if not payloads or start_ns < 0:
            return ""
        try:
            merged = merged_sample_from_bytes(payloads, Window(start_ns, end_ns), Labels())
        except ValueError:
            log.exception("samples of a service do not merge, leaving them out of a message")
            return ""
        service = merged.content
        if not isinstance(service, ServiceProfile) or not service.count:
            return ""
        share = 100 * service.failures / service.count
        text = (
            f"Service in the {HEALTH_SECONDS // 60} minutes before: {service.count} requests, "
            f"{share:.2g} % failed"
        )
        latency = service.latency.quantile(0.99)
        return text + ("." if latency is None else f", p99 latency {1000 * latency:.3g} ms.")

    def trend(self, entity: str, summary: str, labels: Labels, component: str, end_ns: int) -> str:
        """Return the last two hours of a summary as bars; empty if unknown."""
        for series in self._store.samples.series(entity, summary):
            if series.labels == labels:
                return sparkline(self._store, series, component, end_ns)
        return ""

    def cause(self, episodes: Sequence[EpisodeRecord], since_ns: int) -> str:
        """Return one sentence on the likely cause of *episodes* of one entity; empty if unknown.

        A drift that began earlier in an entity that this one reads from is the likeliest. Otherwise, a
        drift of several summaries in one segment only points to this segment.
        """
        entity = episodes[0].alerter.entity
        declared = self._store.entities.read(entity)
        for source in () if declared is None else declared.declaration.reads_from:
            for one in self._store.alerts.episodes(source, is_open=True):
                began_ns = min((part.onset_ns for part in one.parts), default=one.since_ns)
                if began_ns <= since_ns:
                    return (
                        f"Likely cause: {source}, from which {entity} reads, drifts since before: "
                        f"{one.evidence}."
                    )
        moved = [(part.summary, part.labels) for one in episodes for part in one.parts] or [
            (one.summary, one.labels) for one in episodes
        ]
        segments = {labels for _, labels in moved}
        if len(moved) > 1 and len(segments) == 1 and len(next(iter(segments))):
            return (
                f"Likely cause: a change of {next(iter(segments))}: all {len(moved)} drifts are in "
                "this segment only."
            )
        return ""
