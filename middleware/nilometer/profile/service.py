"""The profile of requests: outcomes, status codes, latency, sizes, streams and WebSockets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.callers import NO_CALLERS, Callers
from nilometer.profile.content import DataType, TypeCounts
from nilometer.profile.coverage import Counts, added
from nilometer.profile.magnitudes import EMPTY, magnitudes, total
from nilometer.profile.websockets import NO_WEBSOCKETS, WebSockets
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.reasons import ConnectionEnd, Outcome, StreamEnd


@dataclass(frozen=True, slots=True)
class Streams:
    """Responses in more than one chunk, or in the frames of a streaming protocol.

    Attributes:
        ends: Number of streams by `StreamEnd`.
        first_byte: Seconds from the request to the first byte of the response.
        first_byte_sum: Sum of these times, in seconds.
        chunk_gap: Seconds between chunks; for a long stream, the first 512.
        chunk_gap_sum: Sum of these gaps, in seconds.
        chunks: Number of all chunks.
        first_token: Seconds from the request to a language model's first frame with content.
        first_token_sum: Sum of these times, in seconds.
        first_reasoning: Seconds from the request to the first frame with reasoning.
        first_reasoning_sum: Sum of these times, in seconds.
        per_token: Seconds per token after the first one; one value per stream.
        per_token_sum: Sum of these values, in seconds.
    """

    ends: Counts = field(default_factory=dict)
    first_byte: ExponentialHistogram = EMPTY
    first_byte_sum: float = 0.0
    chunk_gap: ExponentialHistogram = EMPTY
    chunk_gap_sum: float = 0.0
    chunks: int = 0
    first_token: ExponentialHistogram = EMPTY
    first_token_sum: float = 0.0
    first_reasoning: ExponentialHistogram = EMPTY
    first_reasoning_sum: float = 0.0
    per_token: ExponentialHistogram = EMPTY
    per_token_sum: float = 0.0

    @classmethod
    def of(
        cls,
        *,
        ends: Counts,
        first_bytes: Sequence[float],
        gaps: NDArray[np.float64],
        chunks: int,
        first_tokens: Sequence[float] = (),
        first_reasonings: Sequence[float] = (),
        per_tokens: Sequence[float] = (),
    ) -> Self:
        """Return the streams of a batch: times and gaps, each of shape (n,), in seconds."""
        firsts = np.array(first_bytes, dtype=np.float64)
        return cls(
            dict(ends),
            magnitudes(firsts),
            float(firsts.sum()),
            magnitudes(gaps),
            float(gaps.sum()),
            chunks,
            magnitudes(first_tokens),
            float(sum(first_tokens)),
            magnitudes(first_reasonings),
            float(sum(first_reasonings)),
            magnitudes(per_tokens),
            float(sum(per_tokens)),
        )

    @property
    def count(self) -> int:
        """Number of streams."""
        return sum(self.ends.values())


@dataclass(frozen=True, slots=True)
class ServiceProfile:
    """The requests of one entity, labels and window.

    Attributes:
        outcomes: Number of requests by `Outcome`.
        statuses: Number of requests by HTTP status code, as text; none without a response.
        latency: Seconds from the first byte received to the last byte sent.
        latency_sum: Sum of the latencies, in seconds.
        request_bytes: Body sizes as sent over the network.
        request_bytes_sum: Sum of these sizes, in bytes.
        response_bytes: Body sizes as sent over the network.
        response_bytes_sum: Sum of these sizes, in bytes.
        in_flight_max: Largest number of concurrent requests in one process.
        streams: Responses in several chunks.
        websockets: WebSocket connections, which do not count as requests.
        callers: Entities that sent the requests, as far as known.
    """

    kind: ClassVar[str] = "service"

    outcomes: Counts = field(default_factory=dict)
    statuses: Counts = field(default_factory=dict)
    latency: ExponentialHistogram = EMPTY
    latency_sum: float = 0.0
    request_bytes: ExponentialHistogram = EMPTY
    request_bytes_sum: int = 0
    response_bytes: ExponentialHistogram = EMPTY
    response_bytes_sum: int = 0
    in_flight_max: int = 0
    streams: Streams = Streams()
    websockets: WebSockets = NO_WEBSOCKETS
    callers: Callers = NO_CALLERS

    @classmethod
    def of(
        cls,
        *,
        outcomes: Counts,
        statuses: Counts,
        latencies: Sequence[float],
        request_sizes: Sequence[int],
        response_sizes: Sequence[int],
        in_flight_max: int = 0,
        streams: Streams | None = None,
        websockets: WebSockets = NO_WEBSOCKETS,
    ) -> Self:
        """Return the profile of a batch: latencies in seconds, sizes in bytes, one per request."""
        return cls(
            dict(outcomes),
            dict(statuses),
            magnitudes(latencies),
            float(sum(latencies)),
            magnitudes(request_sizes),
            sum(request_sizes),
            magnitudes(response_sizes),
            sum(response_sizes),
            in_flight_max,
            streams or Streams(),
            websockets,
        )

    @property
    def count(self) -> int:
        """Number of requests."""
        return sum(self.outcomes.values())

    @property
    def cells(self) -> int:
        """Number of requests, because a request is never partly observed."""
        return self.count

    @property
    def type_counts(self) -> TypeCounts:
        """Empty counts, because requests are neither numbers nor categories."""
        return TypeCounts()

    @property
    def data_type(self) -> DataType:
        """Always ``service``."""
        return "service"

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The statistics; latencies are in seconds, ratios are 0 to 1."""
        return _STATISTICS

    @property
    def failures(self) -> int:
        """Number of requests that failed because of the service."""
        return sum(self.outcomes.get(outcome.value, 0) for outcome in Outcome if outcome.failed)

    def merge(self, other: Self) -> Self:
        """Return the profile of both streams."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """Return one profile of all requests; the result is bit-identical for every order."""
        # Sums of floats depend on their order, so the values are sorted first.
        parts = sorted(profiles, key=lambda part: (part.count, part.latency_sum))
        outcomes: Counts = {}
        statuses: Counts = {}
        ends: Counts = {}
        for part in parts:
            outcomes = added(outcomes, part.outcomes)
            statuses = added(statuses, part.statuses)
            ends = added(ends, part.streams.ends)
        streams = [part.streams for part in parts]

        def together(histograms: Iterable[ExponentialHistogram]) -> ExponentialHistogram:
            return ExponentialHistogram.merge_all((EMPTY, *histograms))

        return cls(
            outcomes,
            statuses,
            together(part.latency for part in parts),
            total(part.latency_sum for part in parts),
            together(part.request_bytes for part in parts),
            sum(part.request_bytes_sum for part in parts),
            together(part.response_bytes for part in parts),
            sum(part.response_bytes_sum for part in parts),
            max((part.in_flight_max for part in parts), default=0),
            Streams(
                ends,
                together(one.first_byte for one in streams),
                total(one.first_byte_sum for one in streams),
                together(one.chunk_gap for one in streams),
                total(one.chunk_gap_sum for one in streams),
                sum(one.chunks for one in streams),
                together(one.first_token for one in streams),
                total(one.first_token_sum for one in streams),
                together(one.first_reasoning for one in streams),
                total(one.first_reasoning_sum for one in streams),
                together(one.per_token for one in streams),
                total(one.per_token_sum for one in streams),
            ),
            WebSockets.merge_all(part.websockets for part in parts),
            Callers.merge_all(part.callers for part in parts),
        )

    def scaled(self, factor: float) -> Self:
        """Return itself, because every request is counted, even with sampling."""
        del factor
        return self

    def suppressed(self, fewest: int) -> Self:
        """Return the profile without names of callers with fewer than *fewest* requests."""
        return replace(self, callers=self.callers.coarsened(fewest)) if self.callers else self


def _error_ratio(service: ServiceProfile) -> float | None:
    return service.failures / service.count if service.count else None


def _broken_streams_ratio(service: ServiceProfile) -> float | None:
    streams = service.streams
    if not streams.count:
        return None
    return 1 - streams.ends.get(StreamEnd.COMPLETED.value, 0) / streams.count


def _websocket_error_ratio(service: ServiceProfile) -> float | None:
    sockets = service.websockets
    failed = sockets.ends.get(ConnectionEnd.SERVER_ERROR.value, 0)
    return failed / sockets.count if sockets.count else None


_STATISTICS: Mapping[str, Callable[[ServiceProfile], float | None]] = {
    "count": lambda service: float(service.count),
    "error_ratio": _error_ratio,
    "latency_p50_seconds": lambda service: service.latency.quantile(0.5),
    "latency_p90_seconds": lambda service: service.latency.quantile(0.9),
    "latency_p99_seconds": lambda service: service.latency.quantile(0.99),
    "first_byte_p50_seconds": lambda service: service.streams.first_byte.quantile(0.5),
    "first_byte_p99_seconds": lambda service: service.streams.first_byte.quantile(0.99),
    "first_token_p50_seconds": lambda service: service.streams.first_token.quantile(0.5),
    "first_token_p99_seconds": lambda service: service.streams.first_token.quantile(0.99),
    "per_token_p50_seconds": lambda service: service.streams.per_token.quantile(0.5),
    "per_token_p99_seconds": lambda service: service.streams.per_token.quantile(0.99),
    "chunk_gap_p99_seconds": lambda service: service.streams.chunk_gap.quantile(0.99),
    "broken_streams_ratio": _broken_streams_ratio,
    "websocket_connections": lambda service: float(service.websockets.count),
    "websocket_error_ratio": _websocket_error_ratio,
    "websocket_duration_p50_seconds": lambda service: service.websockets.duration.quantile(0.5),
    "in_flight_max": lambda service: float(service.in_flight_max),
}
