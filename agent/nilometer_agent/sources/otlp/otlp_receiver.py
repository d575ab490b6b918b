"""The OTLP receiver: makes service profiles and pipeline edges from a server's own telemetry.

A server with OpenTelemetry instrumentation that cannot use the middleware sends its metrics and spans
here. `http.server.request.duration` (or server spans, by setting) becomes a service profile. That
profile is committed, shipped and judged like one from the middleware. Client spans show which entity
reads from which: the edges of the pipeline.

The size of a request, the number of series with a stored state, and the number of calls that wait for
their server span are limited. All other OTLP data is accepted and ignored.

If a request of delta points or spans was not committed in time, its sender is asked to retry, and the
retry counts once. If a reply gets lost and the sender retries, the request counts twice.
"""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from nilometer.export.keys import STATUS_CODE
from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import SERVICE
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_to_bytes
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.sources.otlp.cumulative import CumulativeSeries, SeriesKey
from nilometer_agent.sources.otlp.distributions import distribution_in
from nilometer_agent.sources.otlp.edges import Edges
from nilometer_agent.sources.otlp.places import Place, attributes_in, place_of, times_fit
from nilometer_agent.sources.otlp.requests import (
    OLD_STATUS,
    durations_in,
    profile_of,
    profile_of_spans,
)

MAX_BODY_BYTES = 4 << 20  # largest request, packed and unpacked
MAX_UNSETTLED = 64  # requests remembered because their sender was asked to retry
MAX_SPANS = 20_000  # spans in one request
WINDOW_NS = (
    60 * NANOSECONDS
)  # length of the profiles' windows; the agent's own windows are multiples of it
ACKNOWLEDGE_SECONDS = 5.0


class NotDurable(Exception):
    """The request was not committed in time; the sender should retry."""


@dataclass(slots=True)
class _Found:
    """Service profiles found in a request, by place and window."""

    profiles: dict[tuple[Place, Window], ServiceProfile] = field(default_factory=dict)
    refused: int = 0

    def add(self, where: Place, time_ns: int, profile: ServiceProfile) -> None:
        """Add the profile of requests that ended around *time_ns*."""
        key = (where, Window.containing(time_ns, WINDOW_NS))
        before = self.profiles.get(key)
        self.profiles[key] = profile if before is None else before.merge(profile)


class OtlpReceiver:
    """Receives OTLP requests and passes profiles to the engine. Any thread may call.

    Args:
        engine: Engine that commits the profiles.
        counters: Counters of the agent.
        clock: Clock of the agent; the past of series that began before now is not counted.
        service_from: Source of the service profile, ``metrics`` or ``spans``; ``none`` if the
            middleware already measures requests and only edges are needed.
    """

    def __init__(self, engine: Engine, counters: Counters, service_from: str, clock: Clock) -> None:
        self._engine = engine
        self._counters = counters
        self._service_from = service_from
        self._lock = threading.Lock()
        self._worker = os.urandom(16)
        self._sequence = 0
        self._series = CumulativeSeries(clock.now_ns())
        self._edges = Edges(lambda: counters.add(Counter.OTLP_CALLS_LEFT_OUT))
        self._unsettled: OrderedDict[bytes, tuple[int, list[threading.Event]]] = OrderedDict()

    def metrics(self, request: ExportMetricsServiceRequest) -> int:
        """Receive metrics; return the number of points that could not be read.

        Raises:
            NotDurable: If the profiles were not committed in time.
        """
        if self._service_from != "metrics":
            return 0
        known = self._come_again(request)
        if known is not None:
            return known
        found = _Found()
        ignored = 0
        with self._lock:
            for resource in request.resource_metrics:
                where = place_of(resource.resource)
                told = hashlib.sha256(resource.resource.SerializeToString(deterministic=True))
                names = {m.name for scope in resource.scope_metrics for m in scope.metrics}
                wanted = durations_in(names)
                for scope in resource.scope_metrics:
                    of = (told.digest(), scope.scope.name, scope.scope.version)
                    for metric in scope.metrics:
                        if metric.name in wanted and metric.unit in {"s", "ms"}:
                            self._metric(where, of, metric, found)
                        else:
                            ignored += 1
        self._counters.add(Counter.OTLP_METRICS_IGNORED, ignored)
        self._counters.add(Counter.OTLP_POINTS_REFUSED, found.refused)
        self._forward(request, found)
        return found.refused

    def spans(self, request: ExportTraceServiceRequest) -> int:
        """Receive spans; return the number of spans that could not be read.

        Raises:
            NotDurable: If the profiles were not committed in time.
        """
        known = self._come_again(request)
        if known is not None:
            return known
        found = _Found()
        servers: dict[tuple[Place, Window], list[Span]] = {}
        taken = 0
        with self._lock:
            for resource in request.resource_spans:
                where = place_of(resource.resource)
                for span in (s for scope in resource.scope_spans for s in scope.spans):
                    taken += 1
                    if where is None or taken > MAX_SPANS or not times_fit(span):
                        found.refused += 1
                    elif span.kind == Span.SpanKind.SPAN_KIND_CLIENT:
                        self._edges.called(where, span)
                    elif span.kind == Span.SpanKind.SPAN_KIND_SERVER:
                        self._edges.served(where, span)
                        window = Window.containing(span.end_time_unix_nano, WINDOW_NS)
                        servers.setdefault((where, window), []).append(span)
        self._counters.add(Counter.OTLP_SPANS, taken - found.refused)
        self._counters.add(Counter.OTLP_POINTS_REFUSED, found.refused)
        if self._service_from == "spans":
            for (where, window), spans in servers.items():
                found.profiles[where, window] = profile_of_spans(spans)
            self._forward(request, found)
        return found.refused

    def edges(self) -> dict[tuple[str, str], int]:
        """Return calls by (entity, entity it reads from), since the start."""
        with self._lock:
            return self._edges.counted()

    def _metric(self, where: Place | None, of: SeriesKey, metric: Any, found: _Found) -> None:
        kind = metric.WhichOneof("data")
        if where is None or kind not in {"histogram", "exponential_histogram"}:
            found.refused += 1
            return
        data = getattr(metric, kind)
        cumulative = (
            data.aggregation_temporality
            == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        seconds = 1.0 if metric.unit == "s" else 0.001
        for point in data.data_points:
            if point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
                continue  # the point has no value
            read = distribution_in(point, seconds) if times_fit(point) else None
            if read is None:
                found.refused += 1
                continue
            told = attributes_in(point.attributes)
            if cumulative:
                start_ns = point.start_time_unix_nano
                read = self._series.since_last(
                    (*of, metric.name, start_ns, *sorted(told.items())), point, read
                )
            if read is None:
                found.refused += 1  # over the limit of series: no increase can be computed
            elif read.histogram.count:
                status = str(told.get(STATUS_CODE) or told.get(OLD_STATUS) or "")
                profile = profile_of(read, status, told)
                found.add(where, point.time_unix_nano, profile)

    def _come_again(self, request: Message) -> int | None:
        """Wait for the commit of a retried request, and return its reply; None for a new request.

        Raises:
            NotDurable: If the request is still not committed.
        """
        with self._lock:
            if not self._unsettled:
                return None
            digest = _digest(request)
            known = self._unsettled.get(digest)
        if known is None:
            return None
        refused, waiting = known
        _wait(waiting)
        with self._lock:
            self._unsettled.pop(digest, None)
        return refused

    def _forward(self, request: Message, found: _Found) -> None:
        """Pass the profiles of *request* to the engine and wait for their commit."""
        waiting = []
        for (where, window), profile in found.profiles.items():
            sample = SummarySample(
                entity=where.entity,
                summary=SERVICE,
                labels=where.labels,
                window=window,
                coverage=Coverage(),  # empty, because the agent got counts and no observations
                content=profile,
            )
            self._counters.add(Counter.OTLP_REQUESTS, profile.count)
            done = threading.Event()
            with self._lock:
                self._sequence += 1
                batch = Batch(
                    worker=self._worker,
                    sequence=self._sequence,
                    entity=where.entity,
                    partials=[sample_to_bytes(sample)],
                    labels=where.labels.as_dict(),
                )
                self._engine.offer(Arrival(batch, lambda _, done=done: done.set()))  # type: ignore[misc]
            waiting.append(done)
        try:
            _wait(waiting)
        except NotDurable:
            with self._lock:
                self._unsettled[_digest(request)] = (found.refused, waiting)
                while len(self._unsettled) > MAX_UNSETTLED:
                    self._unsettled.popitem(last=False)
            raise


def _wait(waiting: Iterable[threading.Event]) -> None:
    until = time.monotonic() + ACKNOWLEDGE_SECONDS
    if not all(done.wait(max(until - time.monotonic(), 0.0)) for done in waiting):
        raise NotDurable


def _digest(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
