"""Service profiles (requests, statuses, latencies) as the API shows them."""

from nilometer.kinds import ContentView
from nilometer.profile import ServiceProfile
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import Shown, finite, ratio

LATENCY_QUANTILES = (0.5, 0.9, 0.99)


class ServiceView(ContentView, frozen=True, kw_only=True):
    """Requests of one window."""

    requests: int
    requests_per_second: float
    error_ratio: float | None
    outcomes: dict[str, int]
    statuses: dict[str, int]
    latency_quantiles_seconds: dict[str, float]  # "0.5", "0.9", "0.99"
    latency_mean_seconds: float | None
    in_flight_max: int  # concurrent requests in one process
    stream_ends: dict[str, int]  # streamed responses, by how they ended
    first_byte_quantiles_seconds: dict[str, float]
    chunk_gap_quantiles_seconds: dict[str, float]


def service_view(service: ServiceProfile, window: Window) -> ServiceView:
    """Return *service* as the API shows it, for *window*."""
    timed = service.latency.count
    return ServiceView(
        requests=service.count,
        requests_per_second=service.count / window.seconds,
        error_ratio=ratio(service.failures, service.count),
        outcomes=dict(sorted(service.outcomes.items())),
        statuses=dict(sorted(service.statuses.items())),
        latency_quantiles_seconds=_times(service.latency),
        latency_mean_seconds=finite(service.latency_sum / timed) if timed else None,
        in_flight_max=service.in_flight_max,
        stream_ends=dict(sorted(service.streams.ends.items())),
        first_byte_quantiles_seconds=_times(service.streams.first_byte),
        chunk_gap_quantiles_seconds=_times(service.streams.chunk_gap),
    )


def _times(histogram: ExponentialHistogram) -> dict[str, float]:
    """Return the quantiles of *histogram* in seconds; empty without observations."""
    found = {f"{q:g}": finite(histogram.quantile(q)) for q in LATENCY_QUANTILES}
    return {q: value for q, value in found.items() if value is not None}


def _in_window(service: ServiceProfile, window: Window, bins: Bins | None) -> ServiceView:
    del bins
    return service_view(service, window)


SHOWN_SERVICE = Shown(kind=ServiceProfile.kind, field="service", view=_in_window)
