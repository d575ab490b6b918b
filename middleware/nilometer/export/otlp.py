"""Points to OpenTelemetry, sent by the SDK's own exporters.

The SDK's instruments refuse negative values and cannot take a finished distribution, so they are
not used: the points are ours, the way out - gRPC or HTTP, TLS, headers, compression, retries, all
by the standard variables - is theirs. Around it stand bounds that theirs lacks: a reply is read up
to a size and a time, a proxy is used only where that is asked for, and what the far side says of
points it did not take is counted.

Temporality. Cumulative points stand for everything since the start of this process; one that is
lost or repeated does no harm. Delta points stand for an interval; an interval that was not taken
is kept, bounded, and sent again with the times it had, so that a receiver can know it.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import grpc
import opentelemetry.sdk.metrics.export as otel
import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from nilometer.export.otlp_settings import DELTA, GRPC, Count, Event, OtlpSettings
from nilometer.export.resource import VERSION
from nilometer.export.series import (
    Binned,
    Differences,
    Distribution,
    Exemplar,
    Family,
    Point,
)
from nilometer.export.telemetry import Instrument
from nilometer.values.clock import Clock

EXPORT_SECONDS = 5.0  # of one request, the SDK's retries included
MAX_REPLY_BYTES = 64 << 10
MAX_POINTS = 2000  # of one request
MAX_BYTES = 1 << 20  # of one request, about: gRPC receivers take 4 MiB
MAX_INTERVALS = 20  # of delta points that wait for the far side to return

# What OTLP says may be sent again.
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.UNAUTHENTICATED,  # not by OTLP; but a token may come
    grpc.StatusCode.PERMISSION_DENIED,  # as above
}

log = logging.getLogger("nilometer.export")


class MetricSender(Protocol):
    """What the SDK's OTLP exporters are to us."""

    @property
    def refused(self) -> bool:
        """Whether the last failure would be the same for ever: OTLP does not repeat it."""
        ...

    def export(
        self, metrics_data: otel.MetricsData, timeout_millis: float = 10_000
    ) -> MetricExportResult:
        """Send, with the SDK's own retries."""
        ...

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """End."""
        ...


def open_sender(settings: OtlpSettings, count: Count) -> MetricSender:
    """The SDK's exporter for *settings*, which are resolved."""
    endpoint = settings.endpoint or None
    if settings.protocol == GRPC:
        # Without a scheme the standard variable decides, and its default is TLS.
        insecure = True if endpoint and endpoint.startswith("http://") else None
        return _Grpc(count, endpoint=endpoint, insecure=insecure, use_proxy=settings.use_proxy)
    if endpoint and not endpoint.rstrip("/").endswith("/v1/metrics"):
        endpoint = endpoint.rstrip("/") + "/v1/metrics"
    return _Http(count, endpoint=endpoint, use_proxy=settings.use_proxy)


class _Grpc(GrpcExporter):
    """The SDK's exporter over gRPC, with its replies read."""

    def __init__(
        self, count: Count, *, endpoint: str | None, insecure: bool | None, use_proxy: bool
    ) -> None:
        self._count = count
        options: Any = (
            ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
            ("grpc.enable_http_proxy", int(use_proxy)),
        )
        super().__init__(
            endpoint=endpoint, insecure=insecure, timeout=EXPORT_SECONDS, channel_options=options
        )

    def _initialize_channel_and_stub(self) -> None:
        # The SDK opens its channel here, again after the far side was away, and drops the replies.
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._client: Any = _Stub(self._client, self._count)

    @property
    def refused(self) -> bool:
        """As of `MetricSender`."""
        return bool(self._client.refused)


class _Stub:
    """The service's stub, with its replies read."""

    def __init__(self, stub: Any, count: Count) -> None:
        self._stub, self._count = stub, count
        self.refused = False

    def Export(self, request: Any, **how: Any) -> Any:  # noqa: N802  the contract's name
        self.refused = False
        try:
            reply = self._stub.Export(request=request, **how)
        except grpc.RpcError as error:
            call: Any = error
            self.refused = call.code() not in RETRYABLE
            raise
        _read_reply(reply, self._count)
        return reply


class _Http(HttpExporter):
    """The SDK's exporter over HTTP, with its replies read."""

    def __init__(self, count: Count, *, endpoint: str | None, use_proxy: bool) -> None:
        self._replies = _Session(count, use_proxy=use_proxy)
        super().__init__(endpoint=endpoint, timeout=EXPORT_SECONDS, session=self._replies)

    @property
    def refused(self) -> bool:
        """As of `MetricSender`."""
        return self._replies.refused


class _Session(requests.Session):
    """HTTP whose replies are read up to a size and a time.

    The SDK's exporter reads no reply, but `requests` would read one without end before it returns.
    """

    def __init__(self, count: Count, *, use_proxy: bool) -> None:
        super().__init__()
        self.trust_env = use_proxy
        self.refused = False
        self._count = count

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: points go where they were told to go. `requests` would read what it leaves, whole."""
        del resp

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        until = time.monotonic() + EXPORT_SECONDS
        self.refused = False
        response = super().send(request, **{**how, "stream": True})
        body = b""
        try:
            body = _body(response, until)
            if response.status_code < 300:
                _read_reply(ExportMetricsServiceResponse.FromString(body), self._count)
        except Exception as error:  # the request was answered; its reply is only worth a count
            self._count(Event.REPLY_UNREADABLE, 1)
            log.warning("OTLP reply unreadable", extra={"reason": str(error)[:200]})
        finally:
            response.close()
        response._content = body  # noqa: SLF001  else `requests` reads on
        if 300 <= response.status_code < 400:
            # The SDK would take it for taken: it asks for less than 400.
            log.warning("OTLP endpoint redirects", extra={"status": response.status_code})
            response.status_code = 400
        self.refused = 400 <= response.status_code < 500 and (
            response.status_code not in {401, 403, 408, 429}
        )
        return response


def _body(response: requests.Response, until: float) -> bytes:
    """The body of *response*, up to a size and a time."""
    body = b""
    while len(body) <= MAX_REPLY_BYTES and time.monotonic() < until:
        part = response.raw.read1(4096, decode_content=True)
        if not part:
            return body
        body += part
    raise DecodeError("the reply has no end")


def _read_reply(reply: ExportMetricsServiceResponse, count: Count) -> None:
    partial = reply.partial_success
    if partial.rejected_data_points > 0:
        count(Event.POINTS_REJECTED, partial.rejected_data_points)
    if partial.rejected_data_points or partial.error_message:
        log.warning(
            "OTLP points rejected",
            extra={
                "points": partial.rejected_data_points,
                "reason": partial.error_message[:200],
            },
        )


class OtlpExporter:
    """Sends what `gather` gives at an interval, from a thread of its own.

    Args:
        sender: An OTLP exporter.
        settings: Resolved ones.
        resource: Who exports.
        gather: All families as of now, cumulative.
        count: Told what happens.
        clock: Wall time of the points.
    """

    def __init__(
        self,
        sender: MetricSender,
        settings: OtlpSettings,
        resource: Mapping[str, str],
        gather: Callable[[], list[Family]],
        count: Count,
        clock: Clock,
    ) -> None:
        self._sender = sender
        self._settings = settings
        self._resource = Resource(dict(resource))
        self._gather = gather
        self._count = count
        self._clock = clock
        self._started_ns = self._last_ns = clock.now_ns()
        self._differences = Differences() if settings.temporality == DELTA else None
        self._waiting: deque[otel.MetricsData] = deque()
        self._process = os.getpid()
        self._exporting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-export", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Export once more and end. Safe before `start`, and twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self._thread.is_alive():
                self._thread.join(timeout)
            self._sender.shutdown(timeout_millis=timeout * 1000)
            if self._waiting and self._differences is not None:
                log.warning("delta points lost at the end", extra={"requests": len(self._waiting)})
                self._count(Event.INTERVAL_DROPPED, len(self._waiting))

    def export_once(self) -> bool:
        """Build every point and send; whether all was taken.

        In a forked child nothing is sent: its parent counts the same.
        """
        if os.getpid() != self._process:
            return False
        with self._exporting:
            try:
                self._waiting.extend(self._requests())
            except Exception:  # of what is measured: the next time it may be there again
                log.exception("points could not be gathered")
                self._count(Event.FAILED, 1)
                return False
            return self._send_waiting()

    def _send_waiting(self) -> bool:
        until = time.monotonic() + EXPORT_SECONDS
        taken = True
        while self._waiting:
            if self._send(self._waiting[0]):
                self._waiting.popleft()
                continue
            taken = False
            if self._differences is None:
                self._waiting.popleft()  # the next cumulative points say it all
            elif self._sender.refused:
                self._waiting.popleft()
                self._count(Event.INTERVAL_DROPPED, 1)
            else:
                break
            if time.monotonic() > until:  # nobody is there: the others would wait as long
                break
        self._keep()
        return taken

    def _requests(self) -> list[otel.MetricsData]:
        now = max(self._clock.now_ns(), self._last_ns + 1)  # a clock that was set back ends nothing
        families = self._gather()
        since = self._started_ns
        if self._differences is not None:
            families, since = self._differences.of(families), self._last_ns
        delta = self._differences is not None
        metrics = [
            m
            for family in families
            for m in _metrics(family, self._started_ns, since, now, delta=delta)
        ]
        scope = InstrumentationScope("nilometer", VERSION)
        self._last_ns = now
        scoped = (otel.ScopeMetrics(scope, chunk, "") for chunk in _chunks(metrics))
        return [
            otel.MetricsData([otel.ResourceMetrics(self._resource, [one], "")]) for one in scoped
        ]

    def _keep(self) -> None:
        """Decide what is worth sending again."""
        if self._differences is None:
            self._waiting.clear()  # the next cumulative points say it all
        while len(self._waiting) > MAX_INTERVALS:
            self._waiting.popleft()
            self._count(Event.INTERVAL_DROPPED, 1)

    def _send(self, data: otel.MetricsData) -> bool:
        try:
            result = self._sender.export(data, timeout_millis=EXPORT_SECONDS * 1000)
        except Exception as error:  # the SDK's, whatever it is, ends here
            log.warning("export failed", extra={"reason": str(error)[:200]})
            result = MetricExportResult.FAILURE
        taken = result is MetricExportResult.SUCCESS
        self._count(Event.TAKEN if taken else Event.FAILED, 1)
        return taken

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.interval_seconds):
            self.export_once()
        self.export_once()


def _chunks(metrics: Iterable[tuple[otel.Metric, int]]) -> Iterable[list[otel.Metric]]:
    """Lists of metrics, given with their weights, of at most `MAX_BYTES` unless it is one alone."""
    chunk: list[otel.Metric] = []
    held = 0
    for metric, weight in metrics:
        if chunk and held + weight > MAX_BYTES:
            yield chunk
            chunk, held = [], 0
        chunk.append(metric)
        held += weight
    if chunk:
        yield chunk


def _portions(points: Sequence[Point]) -> Iterable[tuple[list[Point], int]]:
    """*points* in portions of at most `MAX_POINTS` and about `MAX_BYTES`, with their weights."""
    portion: list[Point] = []
    held = 0
    for point in points:
        weight = _weight(point)
        if portion and (held + weight > MAX_BYTES or len(portion) >= MAX_POINTS):
            yield portion, held
            portion, held = [], 0
        portion.append(point)
        held += weight
    if portion:
        yield portion, held


def _weight(point: Point) -> int:
    """About how many bytes *point* takes, rather more than less."""
    weight = 64 + sum(16 + len(key) + len(str(value)) for key, value in point.attributes)
    match point.value:
        case Distribution(histogram=histogram, exemplars=exemplars):
            counts = (*histogram.positive.counts, *histogram.negative.counts)
            return weight + 64 * len(exemplars) + sum(map(_varint_bytes, counts))
        case Binned(counts=counts):
            return weight + 17 * len(counts)
        case _:
            return weight


def _varint_bytes(count: int) -> int:
    return max(count.bit_length() + 6, 7) // 7


def _metrics(
    family: Family, started_ns: int, since_ns: int, now_ns: int, *, delta: bool
) -> Iterable[tuple[otel.Metric, int]]:
    """*family* as the SDK's records, in portions with their weights."""
    for points, weight in _portions(family.points):
        metric = family.metric
        data: Any
        temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
        match metric.instrument:
            case Instrument.HISTOGRAM if metric.edges:
                data = otel.Histogram(
                    [_binned_point(point, since_ns, now_ns) for point in points], temporality
                )
            case Instrument.HISTOGRAM:
                data = otel.ExponentialHistogram(
                    [_histogram_point(point, since_ns, now_ns) for point in points], temporality
                )
            case Instrument.COUNTER:
                numbers = [_number_point(point, since_ns, now_ns) for point in points]
                data = otel.Sum(numbers, temporality, is_monotonic=True)
            case Instrument.UP_DOWN_COUNTER:
                numbers = [_number_point(point, started_ns, now_ns) for point in points]
                data = otel.Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=False)
            case Instrument.GAUGE:
                data = otel.Gauge([_number_point(point, started_ns, now_ns) for point in points])
        yield otel.Metric(metric.name, metric.about, metric.unit, data), weight


def _number_point(point: Point, since_ns: int, now_ns: int) -> otel.NumberDataPoint:
    if isinstance(point.value, Distribution | Binned):
        raise TypeError("a number has no buckets")
    return otel.NumberDataPoint(dict(point.attributes), since_ns, now_ns, point.value)


def _histogram_point(
    point: Point, since_ns: int, now_ns: int
) -> otel.ExponentialHistogramDataPoint:
    if not isinstance(point.value, Distribution):
        raise TypeError("a distribution has buckets")
    histogram = point.value.histogram
    positive, negative = histogram.positive, histogram.negative
    fresh = [e for e in point.value.exemplars.values() if e.time_ns >= since_ns]
    return otel.ExponentialHistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=histogram.count,
        sum=point.value.sum,  # type: ignore[arg-type]  # OTLP leaves it out with negative values
        scale=histogram.scale,
        zero_count=histogram.zero_count,
        positive=otel.Buckets(positive.offset, list(positive.counts)),
        negative=otel.Buckets(negative.offset, list(negative.counts)),
        flags=0,
        min=None,  # type: ignore[arg-type]  # not known of what is cumulative
        max=None,  # type: ignore[arg-type]  # as above
        exemplars=[_exemplar(exemplar) for exemplar in fresh],
    )


def _binned_point(point: Point, since_ns: int, now_ns: int) -> otel.HistogramDataPoint:
    if not isinstance(point.value, Binned):
        raise TypeError("counts on edges have edges")
    return otel.HistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=point.value.count,
        sum=point.value.sum,
        bucket_counts=point.value.counts,
        explicit_bounds=point.value.edges,
        min=None,  # type: ignore[arg-type]  # not known of what is cumulative
        max=None,  # type: ignore[arg-type]  # as above
    )


def _exemplar(exemplar: Exemplar) -> SdkExemplar:
    return SdkExemplar({}, exemplar.value, exemplar.time_ns, exemplar.span_id, exemplar.trace_id)
