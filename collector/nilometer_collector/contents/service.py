"""The form of service profiles (requests, statuses, latencies) in the API."""

import msgspec

from nilometer.kinds import ContentView
from nilometer.profile import ServiceProfile, WebSockets
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import Shown, finite, ratio

LATENCY_QUANTILES = (0.5, 0.9, 0.99)


class WebSocketsView(msgspec.Struct, frozen=True, kw_only=True):
    """WebSocket connections that ended in one window."""

    connections: int
    ends: dict[str, int]
    close_codes: dict[str, int]
    duration_quantiles_seconds: dict[str, float]
    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int


class ServiceView(ContentView, frozen=True, kw_only=True):
    """Requests of one window."""

    requests: int
    requests_per_second: float
    error_ratio: float | None
    outcomes: dict[str, int]
    statuses: dict[str, int]
    latency_quantiles_seconds: dict[str, float]  # "0.5", "0.9", "0.99"
    latency_mean_seconds: float | None
    in_flight_max: int  # most concurrent requests in one process
    stream_ends: dict[str, int]  # streamed responses, by how they ended
    first_byte_quantiles_seconds: dict[str, float]
    chunk_gap_quantiles_seconds: dict[str, float]
    first_token_quantiles_seconds: dict[str, float]  # only for language models
    first_reasoning_quantiles_seconds: dict[str, float]
    per_token_quantiles_seconds: dict[str, float]
    websockets: WebSocketsView | None  # None without connections


def service_view(service: ServiceProfile, window: Window) -> ServiceView:
    """Return *service* in the form of the API, for *window*."""
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
        first_token_quantiles_seconds=_times(service.streams.first_token),
        first_reasoning_quantiles_seconds=_times(service.streams.first_reasoning),
        per_token_quantiles_seconds=_times(service.streams.per_token),
        websockets=_websockets(service.websockets) if service.websockets.count else None,
    )


def _websockets(sockets: WebSockets) -> WebSocketsView:
    return WebSocketsView(
        connections=sockets.count,
        ends=dict(sorted(sockets.ends.items())),
        close_codes=dict(sorted(sockets.close_codes.items())),
        duration_quantiles_seconds=_times(sockets.duration),
        messages_received=sockets.messages_received,
        messages_sent=sockets.messages_sent,
        bytes_received=sockets.bytes_received,
        bytes_sent=sockets.bytes_sent,
    )


def _times(histogram: ExponentialHistogram) -> dict[str, float]:
    """Return the quantiles of *histogram* in seconds; empty without observations."""
    found = {f"{q:g}": finite(histogram.quantile(q)) for q in LATENCY_QUANTILES}
    return {q: value for q, value in found.items() if value is not None}


def _in_window(service: ServiceProfile, window: Window, bins: Bins | None) -> ServiceView:
    del bins
    return service_view(service, window)


SHOWN_SERVICE = Shown(kind=ServiceProfile.kind, field="service", view=_in_window)
