"""OTLP in: what a server tells of itself already becomes its service profile and its edges.

A server that is instrumented with OpenTelemetry, but cannot take the middleware, sends its metrics
and spans here. `http.server.request.duration` (or, where that is asked for, its server spans) is a
service profile as the middleware would make one: committed, shipped and judged in the same way.
Client spans tell whom an entity reads from: the edges of the pipeline.

What comes is bounded: a request's bytes, the series whose last state is kept, the calls whose
callee is not known yet. Everything else that OTLP may carry is taken and left alone.

Cumulative points are turned into differences. A series is that of a resource, a scope, a start time
and attributes; a point that is no newer than the last one says nothing. A series that is seen for the
first time counts from there on if it began before this agent did - its past may have been counted
by the one before - and in whole if it began later. A request of delta points or spans that was told
to come again, because it was not durable in time, counts once; one that is repeated after a reply
that got lost, which OTLP allows, counts twice.
"""

import hashlib
import ipaddress
import logging
import os
import threading
import time
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
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from nilometer.export.series import Distribution, downscaled
from nilometer.export.telemetry import ENTITY, ERROR_TYPE, STATUS_CODE
from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.profile.service import EMPTY, magnitudes
from nilometer.sketch.histogram import Buckets, ExponentialHistogram
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import SERVICE, entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.reasons import Outcome
from nilometer.values.window import Window
from nilometer.wire.profiles import sample_to_wire
from nilometer.wire.services import CaptureBatch
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.measure.counters import Counter, Counters

MAX_BODY_BYTES = 4 << 20  # of a request, unpacked too
MAX_SERIES = 2000  # whose last cumulative state is kept
SERIES_SECONDS = 3600.0  # that tell nothing, and are forgotten where there is no room for new ones
MAX_CALLS = 10_000  # client and server spans that wait for the other side
CALL_SECONDS = 30.0  # that they wait
MAX_UNSETTLED = 64  # requests whose sender was told to come again
MAX_SPANS = 20_000  # of one request
MAX_EDGES = 1000
MAX_EVENT_NS = 1 << 62
WINDOW_NS = 60 * NANOSECONDS  # of what is handed on; the agent's own windows are multiples
ACKNOWLEDGE_SECONDS = 5.0
SERVICE_NAME = "service.name"
VERSION = "service.version"
DURATIONS = {  # histograms of requests, and what one of a service stands for others
    "http.server.request.duration": "http",
    "http.server.duration": "http",  # of older instrumentation, in milliseconds
    "rpc.server.call.duration": "rpc",
    "rpc.server.duration": "rpc",  # as above
}
OLD_STATUS = "http.status_code"
RPC_STATUS = "rpc.grpc.status_code"
PEERS = ("peer.service", "service.peer.name", "server.address")

_NOTHING = Distribution(EMPTY, 0.0)

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
    """The last state of a cumulative series, and when it came."""

    time_ns: int
    distribution: Distribution
    seen: float  # monotonic


@dataclass(frozen=True, slots=True)
class _Call:
    """A span that waits for its other side."""

    entity: str
    peer: str  # whom a client named
    since: float  # monotonic


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
        self._started_ns = clock.now_ns()
        self._series: dict[tuple[Any, ...], _Cumulative] = {}
        self._clients: OrderedDict[tuple[bytes, bytes], _Call] = OrderedDict()
        self._servers: OrderedDict[tuple[bytes, bytes], _Call] = OrderedDict()
        self._unsettled: OrderedDict[bytes, tuple[int, list[threading.Event]]] = OrderedDict()
        self._edges: Tally[tuple[str, str]] = Tally()

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
                where = _where(resource.resource)
                told = hashlib.sha256(resource.resource.SerializeToString(deterministic=True))
                names = {m.name for scope in resource.scope_metrics for m in scope.metrics}
                wanted = _durations(names)
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
            self._hand_on(request, found)
        return found.refused

    def edges(self) -> dict[tuple[str, str], int]:
        """Calls by (entity, the one it reads from), since the start."""
        with self._lock:
            self._settle_calls()
            return dict(self._edges)

    def _metric(
        self, where: _Where | None, of: tuple[Any, ...], metric: Any, found: _Found
    ) -> None:
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
            read = _distribution(point, seconds) if _times_fit(point) else None
            if read is None:
                found.refused += 1
                continue
            told = _attributes(point.attributes)
            if cumulative:
                start_ns = point.start_time_unix_nano
                read = self._since_last(
                    (*of, metric.name, start_ns, *sorted(told.items())), point, read
                )
            if read is None:
                found.refused += (
                    1  # one series too many: its past is not kept, so it has no difference
                )
            elif read.histogram.count:
                status = str(told.get(STATUS_CODE) or told.get(OLD_STATUS) or "")
                profile = _profile(read, status, told)
                found.add(where, point.time_unix_nano, profile)

    def _since_last(
        self, key: tuple[Any, ...], point: Any, read: Distribution
    ) -> Distribution | None:
        """What a cumulative point adds to the one before; None where there is no room to keep it."""
        now = time.monotonic()
        before = self._series.get(key)
        if before is None and not self._has_room(now):
            return None
        if before is not None and point.time_unix_nano <= before.time_ns:
            return _NOTHING
        self._series[key] = _Cumulative(point.time_unix_nano, read, now)
        if before is None:
            return read if point.start_time_unix_nano >= self._started_ns else _NOTHING
        if not _grew(before.distribution.histogram, read.histogram):
            return read  # a restart that kept its start time
        return read.since(before.distribution)

    def _has_room(self, now: float) -> bool:
        """Whether one more series may be kept; those that told nothing for long make room."""
        if len(self._series) >= MAX_SERIES:
            old = now - SERIES_SECONDS
            self._series = {key: one for key, one in self._series.items() if one.seen > old}
        return len(self._series) < MAX_SERIES

    def _called(self, where: _Where, span: Span) -> None:
        """A client span: its server span says whom it called, or it does so itself."""
        told = _attributes(span.attributes)
        peer = next((str(told[key]) for key in PEERS if told.get(key)), "")
        key = (span.trace_id, span.span_id)
        served = self._servers.pop(key, None) if span.span_id else None
        if served is not None:
            self._edge(where.entity, served.entity)
        else:
            self._clients[key] = _Call(where.entity, peer, time.monotonic())
        self._settle_calls()

    def _served(self, where: _Where, span: Span) -> None:
        """A server span: its caller reads from this entity by its name."""
        if not span.parent_span_id:
            return
        key = (span.trace_id, span.parent_span_id)
        called = self._clients.pop(key, None)
        if called is not None:
            self._edge(called.entity, where.entity)
        else:
            self._servers[key] = _Call(where.entity, "", time.monotonic())
        self._settle_calls()

    def _settle_calls(self) -> None:
        """Calls whose server span does not come, because it is not observed, count by their peer."""
        before = time.monotonic() - CALL_SECONDS
        for waiting in (self._clients, self._servers):
            while waiting:
                first = next(iter(waiting.values()))
                if len(waiting) <= MAX_CALLS and first.since > before:
                    break
                waiting.popitem(last=False)
                self._edge(first.entity, first.peer)

    def _edge(self, entity: str, source: str) -> None:
        if not source or entity == source or _is_address(source) or not _is_name(source):
            return
        edge = (entity, source)
        if edge in self._edges or len(self._edges) < MAX_EDGES:
            self._edges[edge] += 1
        else:
            self._counters.add(Counter.OTLP_CALLS_LEFT_OUT)

    def _come_again(self, request: Any) -> int | None:
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

    def _hand_on(self, request: Any, found: _Found) -> None:
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
                batch = CaptureBatch(
                    worker=self._worker,
                    sequence=self._sequence,
                    entity=where.entity,
                    partials=[sample_to_wire(sample)],
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


def _digest(request: Any) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _durations(names: set[str]) -> set[str]:
    """Of *names* those that count requests, each once: a service may tell an old and a new name."""
    wanted: dict[str, str] = {}
    for name, kind in DURATIONS.items():
        if name in names:
            wanted.setdefault(kind, name)
    return set(wanted.values())


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


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
        if not bounds and not counts:  # a count and a sum, as OTLP allows
            counts = [point.count]
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
    failed = bool(told.get(ERROR_TYPE)) or str(told.get(RPC_STATUS, "0")) not in {"0", "OK"}
    outcome = _outcome(int(status) if status.isdecimal() else 0, failed=failed)
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
