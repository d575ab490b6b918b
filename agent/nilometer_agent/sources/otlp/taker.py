"""OTLP in: what a server tells of itself already becomes its service profile and its edges.

A server that is instrumented with OpenTelemetry, but cannot take the middleware, sends its metrics
and spans here. `http.server.request.duration` (or, where that is asked for, its server spans) is a
service profile as the middleware would make one: committed, shipped and judged in the same way.
Client spans tell whom an entity reads from: the edges of the pipeline.

What comes is bounded: a request's bytes, the series whose last state is kept, the calls whose
callee is not known yet. Everything else that OTLP may carry is taken and left alone.

A request of delta points or spans that was told to come again, because it was not durable in time,
counts once; one that is repeated after a reply that got lost, which OTLP allows, counts twice.
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

from nilometer.export.telemetry import STATUS_CODE
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

MAX_BODY_BYTES = 4 << 20  # of a request, unpacked too
MAX_UNSETTLED = 64  # requests whose sender was told to come again
MAX_SPANS = 20_000  # of one request
WINDOW_NS = 60 * NANOSECONDS  # of what is handed on; the agent's own windows are multiples
ACKNOWLEDGE_SECONDS = 5.0


class NotDurable(Exception):
    """What came could not be made durable in time; the sender shall try again."""


@dataclass(slots=True)
class _Found:
    """Service profiles by place and window."""

    profiles: dict[tuple[Place, Window], ServiceProfile] = field(default_factory=dict)
    refused: int = 0

    def add(self, where: Place, time_ns: int, profile: ServiceProfile) -> None:
        """Requests that ended around *time_ns*."""
        key = (where, Window.containing(time_ns, WINDOW_NS))
        before = self.profiles.get(key)
        self.profiles[key] = profile if before is None else before.merge(profile)


class OtlpTaker:
    """Takes requests of OTLP and hands what they tell to the engine. Any thread may call.

    Args:
        engine: Where profiles are made durable.
        counters: What is counted.
        clock: Of the agent; a series that began before now is not counted from its beginning.
        service_from: ``metrics`` or ``spans``: which of both is the service profile; ``none``
            where the middleware measures already and only edges are wanted.
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
        """Take metrics; returns the points that could not be read.

        Raises:
            NotDurable: If they were not committed in time.
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
        self._hand_on(request, found)
        return found.refused

    def spans(self, request: ExportTraceServiceRequest) -> int:
        """Take spans; returns those that could not be read.

        Raises:
            NotDurable: If they were not committed in time.
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
            self._hand_on(request, found)
        return found.refused

    def edges(self) -> dict[tuple[str, str], int]:
        """Calls by (entity, the one it reads from), since the start."""
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
                continue  # says that there is nothing to say
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
                found.refused += (
                    1  # one series too many: its past is not kept, so it has no difference
                )
            elif read.histogram.count:
                status = str(told.get(STATUS_CODE) or told.get(OLD_STATUS) or "")
                profile = profile_of(read, status, told)
                found.add(where, point.time_unix_nano, profile)

    def _come_again(self, request: Message) -> int | None:
        """What a request was answered, had it been durable in time; None if it is a new one.

        Raises:
            NotDurable: If it still is not.
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

    def _hand_on(self, request: Message, found: _Found) -> None:
        """Wait until the engine has committed what was found in *request*."""
        waiting = []
        for (where, window), profile in found.profiles.items():
            sample = SummarySample(
                entity=where.entity,
                summary=SERVICE,
                labels=where.labels,
                window=window,
                coverage=Coverage(),  # no observation of ours: nothing was seen but a count
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
