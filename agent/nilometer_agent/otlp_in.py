"""OTLP in: what a server tells of itself already becomes its service profile and its edges.

A server that is instrumented with OpenTelemetry, but cannot take the middleware, sends its metrics
and spans here. `http.server.request.duration` (or, where that is asked for, its server spans) is a
service profile as the middleware would make one: committed, shipped and judged in the same way.
Client spans tell whom an entity reads from: the edges of the pipeline.

What comes is bounded: a request's bytes, the series whose last state is kept, the calls whose
callee is not known yet. Everything else that OTLP may carry is taken and left alone.

Cumulative points are turned into differences, so that one that comes again counts once. A duplicate
of delta points or spans, which OTLP allows after a lost reply, counts twice.
"""

import logging
import os
import threading
from collections import Counter as Tally
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from nilometer.clock import NANOSECONDS
from nilometer.entity import SERVICE, entity_name
from nilometer.errors import ConfigError
from nilometer.export.series import Distribution, downscaled
from nilometer.labels import Labels
from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.profile.service import EMPTY, magnitudes
from nilometer.reasons import Outcome
from nilometer.sketch.histogram import Buckets, ExponentialHistogram
from nilometer.telemetry import ENTITY, ERROR_TYPE, REQUEST_DURATION, STATUS_CODE
from nilometer.window import Window
from nilometer.wire.profiles import sample_to_wire
from nilometer.wire.services import CaptureBatch
from nilometer_agent.counters import Counter, Counters
from nilometer_agent.engine import Arrival, Engine

MAX_BODY_BYTES = 4 << 20  # of a request, unpacked too
MAX_SERIES = 2000  # whose last cumulative state is kept
MAX_CALLS = 10_000  # client spans that wait for the server span they led to
MAX_SPANS = 20_000  # of one request
MAX_EDGES = 1000
MAX_EVENT_NS = 1 << 62
WINDOW_NS = 60 * NANOSECONDS  # of what is handed on; the agent's own windows are multiples
ACKNOWLEDGE_SECONDS = 5.0
SERVICE_NAME = "service.name"
VERSION = "service.version"
PEERS = ("peer.service", "service.peer.name", "server.address")

log = logging.getLogger("nilometer.agent")


class NotDurable(Exception):
    """What came could not be made durable in time; the sender shall try again."""


@dataclass(frozen=True, slots=True)
class _Where:
    """Whose measurement it is."""

    entity: str
    labels: Labels


@dataclass(slots=True)
class _Cumulative:
    """The last state of a cumulative series."""

    start_ns: int
    distribution: Distribution


@dataclass(slots=True)
class _Found:
    """Service profiles by place and window."""

    profiles: dict[tuple[_Where, Window], ServiceProfile] = field(default_factory=dict)
    refused: int = 0

    def add(self, where: _Where, time_ns: int, profile: ServiceProfile) -> None:
        """Requests that ended around *time_ns*."""
        key = (where, Window.containing(time_ns, WINDOW_NS))
        before = self.profiles.get(key)
        self.profiles[key] = profile if before is None else before.merge(profile)


class OtlpIn:
    """Takes requests of OTLP and hands what they tell to the engine. Any thread may call.

    Args:
        engine: Where profiles are made durable.
        counters: What is counted.
        service_from: ``metrics`` or ``spans``: which of both is the service profile; ``none``
            where the middleware measures already and only edges are wanted.
    """

    def __init__(self, engine: Engine, counters: Counters, service_from: str) -> None:
        self._engine = engine
        self._counters = counters
        self._service_from = service_from
        self._lock = threading.Lock()
        self._worker = os.urandom(16)
        self._sequence = 0
        self._series: OrderedDict[tuple[Any, ...], _Cumulative] = OrderedDict()
        self._calls: OrderedDict[bytes, str] = OrderedDict()
        self._edges: Tally[tuple[str, str]] = Tally()

    def metrics(self, request: ExportMetricsServiceRequest) -> int:
        """Take metrics; returns the points that could not be read.

        Raises:
            NotDurable: If they were not committed in time.
        """
        if self._service_from != "metrics":
            return 0
        found = _Found()
        with self._lock:
            for resource in request.resource_metrics:
                where = _where(resource.resource)
                for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
                    if metric.name == REQUEST_DURATION.name and metric.unit in {"s", "ms"}:
                        self._metric(where, metric, found)
        self._counters.add(Counter.OTLP_POINTS_REFUSED, found.refused)
        self._hand_on(found)
        return found.refused

    def spans(self, request: ExportTraceServiceRequest) -> int:
        """Take spans; returns those that could not be read.

        Raises:
            NotDurable: If they were not committed in time.
        """
        found = _Found()
        servers: dict[tuple[_Where, Window], list[Span]] = {}
        taken = 0
        with self._lock:
            for resource in request.resource_spans:
                where = _where(resource.resource)
                for span in (s for scope in resource.scope_spans for s in scope.spans):
                    taken += 1
                    if where is None or taken > MAX_SPANS or not _times_fit(span):
                        found.refused += 1
                    elif span.kind == Span.SpanKind.SPAN_KIND_CLIENT:
                        self._called(where, span)
                    elif span.kind == Span.SpanKind.SPAN_KIND_SERVER:
                        self._served(where, span)
                        window = Window.containing(span.end_time_unix_nano, WINDOW_NS)
                        servers.setdefault((where, window), []).append(span)
        self._counters.add(Counter.OTLP_SPANS, taken - found.refused)
        self._counters.add(Counter.OTLP_POINTS_REFUSED, found.refused)
        if self._service_from == "spans":
            for (where, window), spans in servers.items():
                found.profiles[where, window] = _of_spans(spans)
            self._hand_on(found)
        return found.refused

    def edges(self) -> dict[tuple[str, str], int]:
        """Calls by (entity, the one it reads from), since the start."""
        with self._lock:
            return dict(self._edges)

    def _metric(self, where: _Where | None, metric: Any, found: _Found) -> None:
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
            read = _distribution(point, seconds) if _times_fit(point) else None
            if read is None:
                found.refused += 1
                continue
            told = _attributes(point.attributes)
            if cumulative:
                read = self._since_last((where, *sorted(told.items())), point, read)
            if read.histogram.count:
                profile = _profile(read, str(told.get(STATUS_CODE, "")), told)
                found.add(where, point.time_unix_nano, profile)

    def _since_last(self, key: tuple[Any, ...], point: Any, read: Distribution) -> Distribution:
        """What a cumulative point adds to the one before; all of it after a restart."""
        before = self._series.pop(key, None)
        self._series[key] = _Cumulative(point.start_time_unix_nano, read)
        if len(self._series) > MAX_SERIES:
            self._series.popitem(last=False)
        if before is None or before.start_ns != point.start_time_unix_nano:
            return read
        if not _grew(before.distribution.histogram, read.histogram):
            return read  # a restart that kept its start time
        return read.since(before.distribution)

    def _called(self, where: _Where, span: Span) -> None:
        self._calls[span.span_id] = where.entity
        while len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)
        told = _attributes(span.attributes)
        peer = next((str(told[key]) for key in PEERS if told.get(key)), "")
        self._edge(where.entity, peer)

    def _served(self, where: _Where, span: Span) -> None:
        """A server span whose caller is known: the caller reads from this entity by its name."""
        caller = self._calls.pop(span.parent_span_id, "")
        self._edge(caller, where.entity)

    def _edge(self, entity: str, source: str) -> None:
        edge = (entity, source)
        known = edge in self._edges or len(self._edges) < MAX_EDGES
        if entity and source and entity != source and known and _is_name(source):
            self._edges[edge] += 1

    def _hand_on(self, found: _Found) -> None:
        """Wait until the engine has committed what was found."""
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
                batch = CaptureBatch(
                    worker=self._worker,
                    sequence=self._sequence,
                    entity=where.entity,
                    partials=[sample_to_wire(sample)],
                    labels=where.labels.as_dict(),
                )
                self._engine.offer(Arrival(batch, lambda _, done=done: done.set()))  # type: ignore[misc]
            waiting.append(done)
        if not all(done.wait(ACKNOWLEDGE_SECONDS) for done in waiting):
            raise NotDurable


def _grew(before: ExponentialHistogram, now: ExponentialHistogram) -> bool:
    """Whether *now* may be a later state of the series of *before*."""
    if now.scale > before.scale or now.zero_count < before.zero_count:
        return False
    older = downscaled(before.positive, before.scale - now.scale)
    newer = dict(enumerate(now.positive.counts, now.positive.offset))
    return all(newer.get(i, 0) >= n for i, n in enumerate(older.counts, older.offset))


def _where(resource: Any) -> _Where | None:
    """Whose it is: `nilometer.entity`, or the service's name; its version is a label."""
    told = _attributes(resource.attributes)
    name = str(told.get(ENTITY) or told.get(SERVICE_NAME) or "")
    if not _is_name(name):
        return None
    version = str(told.get(VERSION, ""))
    try:
        return _Where(name, Labels.of({"version": version} if version else {}))
    except ConfigError:
        return _Where(name, Labels())


def _is_name(text: str) -> bool:
    try:
        entity_name(text)
    except ConfigError:
        return False
    return True


def _attributes(pairs: Iterable[Any]) -> dict[str, str | int | float | bool]:
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind in {"string_value", "int_value", "double_value", "bool_value"}:
            found[pair.key] = getattr(pair.value, kind)
    return found


def _times_fit(told: Any) -> bool:
    """Whether the times of a point or a span can be those of a window."""
    start, end = told.start_time_unix_nano, getattr(told, "time_unix_nano", 0)
    end = end or getattr(told, "end_time_unix_nano", 0)
    return 0 < end < MAX_EVENT_NS and start <= end


def _distribution(point: Any, seconds: float) -> Distribution | None:
    """A point in seconds; None where its parts do not agree.

    Exponential points in seconds stay as they are. Explicit buckets are put at their middle: exact
    in number, within a bucket in value.
    """
    if hasattr(point, "scale") and seconds == 1.0:
        histogram = ExponentialHistogram(
            point.scale,
            point.zero_count,
            Buckets(point.positive.offset, tuple(point.positive.bucket_counts)),
        )
        fine = not sum(point.negative.bucket_counts) and -10 <= point.scale <= 20
        fine = fine and len(histogram.positive.counts) <= 1024
        fine = fine and abs(point.positive.offset) < 1 << 30
    elif hasattr(point, "explicit_bounds"):
        bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
        fine = len(counts) == len(bounds) + 1 <= 1024 and bounds == sorted(set(bounds))
        fine = fine and all(bound >= 0 for bound in bounds)
        if not fine:
            return None
        histogram = ExponentialHistogram()
        for value, count in zip(_middles(bounds), counts, strict=True):
            if count:
                histogram = histogram.merge(_repeated(value * seconds, count))
    else:
        return None
    if not fine or histogram.count != point.count:
        return None
    total = point.sum * seconds if point.HasField("sum") and point.sum >= 0 else 0.0
    return Distribution(EMPTY.merge(histogram), total)  # never finer than a stored one


def _middles(bounds: list[float]) -> list[float]:
    """A value in each bucket of explicit *bounds*."""
    if not bounds:
        return [0.0]
    inner = [(low + high) / 2 for low, high in pairwise(bounds)]
    return [bounds[0] / 2, *inner, bounds[-1]]


def _repeated(value: float, count: int) -> ExponentialHistogram:
    one = magnitudes([value])
    if not one.positive.counts:
        return ExponentialHistogram(one.scale, count)
    return ExponentialHistogram(one.scale, 0, Buckets(one.positive.offset, (count,)))


def _profile(
    read: Distribution, status: str, told: Mapping[str, str | int | float | bool]
) -> ServiceProfile:
    count = read.histogram.count
    outcome = _outcome(int(status) if status.isdecimal() else 0, failed=bool(told.get(ERROR_TYPE)))
    return ServiceProfile(
        outcomes={outcome.value: count},
        statuses={status: count} if status.isdecimal() else {},
        latency=read.histogram,
        latency_sum=read.sum or 0.0,
    )


def _of_spans(spans: Iterable[Span]) -> ServiceProfile:
    """The profile of server spans, one request each."""
    outcomes, statuses = Tally[str](), Tally[str]()
    latencies = []
    for span in spans:
        told = _attributes(span.attributes)
        status = str(told.get(STATUS_CODE) or told.get("http.status_code") or "")
        failed = span.status.code == Status.StatusCode.STATUS_CODE_ERROR
        outcomes[_outcome(int(status) if status.isdecimal() else 0, failed=failed).value] += 1
        if status.isdecimal():
            statuses[status] += 1
        latencies.append((span.end_time_unix_nano - span.start_time_unix_nano) / NANOSECONDS)
    return ServiceProfile.of(
        outcomes=outcomes,
        statuses=statuses,
        latencies=latencies,
        request_sizes=(),
        response_sizes=(),
    )


def _outcome(status: int, *, failed: bool) -> Outcome:
    if status >= 500:
        return Outcome.SERVER_ERROR
    if status >= 400:
        return Outcome.CLIENT_ERROR
    return Outcome.EXCEPTION if failed else Outcome.OK
