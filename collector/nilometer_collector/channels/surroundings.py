"""What a message says beside the drift: the health of the service, and a likely cause."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from nilometer.profile import ServiceProfile
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import SERVICE, stored_summary
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import merged_sample_from_bytes
from nilometer_collector.access.links import ApprovalLink
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.channels.choices import Choice, choices_of
from nilometer_collector.channels.sparkline import sparkline
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import EpisodeRecord, Notice, Store

HEALTH_SECONDS = 900  # span of the service's figures, up to the end of the window
MOST_SAMPLES = 500

log = logging.getLogger("nilometer.collector")


LikelyCause: TypeAlias = Callable[[Sequence[EpisodeRecord]], str]


def no_cause(episodes: Sequence[EpisodeRecord]) -> str:
    """Return that the cause of *episodes* is unknown."""
    del episodes
    return ""


class Surroundings:
    """Reads what stands beside a drift from the store.

    Args:
        store: Store of samples.
        page_url: URL of the pages, without a final slash.
        likely_cause: Function that returns the likely cause of episodes of one entity.
        links_for: Name of the channel whose messages have signed links of decisions; empty for
            messages without them.
        now_ns: Wall time, Unix nanoseconds, from which these links are valid.
    """

    def __init__(
        self,
        store: Store,
        page_url: str,
        likely_cause: LikelyCause = no_cause,
        *,
        links_for: str = "",
        now_ns: int = 0,
    ) -> None:
        self._store = store
        self._likely_cause = likely_cause
        self._links_for = links_for
        self._now_ns = now_ns
        self.page_url = page_url

    def choices(self, notice: Notice) -> Sequence[Choice]:
        """Return the signed links of decisions about the episode of *notice*; none if they are off."""
        if not self._links_for:
            return ()
        key = self._store.links_key
        return choices_of(notice, self._links_for, key, self.page_url, self._now_ns)

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
        for series in self._store.samples.series(entity, stored_summary(summary)):
            if series.labels == labels:
                return sparkline(self._store, series, summary, component, end_ns)
        return ""

    def cause(self, episodes: Sequence[EpisodeRecord]) -> str:
        """Return one sentence on the likely cause of *episodes* of one entity; empty if unknown.

        A message is sent without a cause if finding it fails.
        """
        try:
            found = self._likely_cause(episodes)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("internal error in the causes of a message: report this error")
            return ""
        return f"Likely cause: {found}" if found else ""
