"""The agent receives a server's OTLP metrics, sent by OpenTelemetry's own SDK."""

import gzip
import http.client
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as PbTemporality
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from support.far_side import FarSide

from nilometer.profile import ServiceProfile
from nilometer.testing import eventually
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.http_server import unpacked
from nilometer_agent.sources.otlp import cumulative, otlp_receiver
from nilometer_agent.sources.otlp import edges as edges_module
from nilometer_agent.sources.otlp.otlp_receiver import MAX_BODY_BYTES

CUMULATIVE = PbTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
VALUES = [0.004, 0.03, 0.03, 0.8, 20.0]


class Told:
    """An agent with both doors open, and the collector it ships to."""

    def __init__(self, directory: Path, service: str) -> None:
        self.far_side = FarSide()
        self.agent = Agent(
            AgentSettings(
                directory=str(directory),
                collector=self.far_side.address,
                otlp_in_grpc_address="127.0.0.1:0",
                otlp_in_http_address="127.0.0.1:0",
                otlp_in_service=service,  # type: ignore[arg-type]
                metrics_address="127.0.0.1:0",
                commit_seconds=0.02,
            )
        )
        self.agent.start()
        doors = self.agent.otlp_in
        assert doors is not None
        self.http = f"http://127.0.0.1:{doors.http_port}"
        self.grpc = f"http://127.0.0.1:{doors.grpc_port}"
        self.http_port = doors.http_port

    def service(self, requests: int) -> ServiceProfile:
        """All that was shipped of the service, once it is *requests*."""
        self.agent.engine.flush(60.0)

        def merged() -> ServiceProfile | None:
            whole = ServiceProfile()
            for sample in self.far_side.samples.values():
                assert sample.entity == "fraud-scorer"
                if isinstance(sample.content, ServiceProfile):
                    whole = whole.merge(sample.content)
            return whole if whole.count >= requests else None

        found = eventually(merged)
        assert found is not None
        return found

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        told = {"content-type": "application/x-protobuf", **headers}
        try:
            connection.request(
                "POST", path, body, {k.replace("_", "-"): v for k, v in told.items()}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self.agent.stop()
        self.far_side.stop()


@pytest.fixture
def told(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Told]:
    told = Told(tmp_path, getattr(request, "param", "metrics"))
    yield told
    told.stop()


RESOURCE = Resource({"service.name": "fraud-scorer", "service.version": "7"})


@pytest.mark.parametrize("exponential", [True, False])
@pytest.mark.parametrize("temporality", list(AggregationTemporality)[1:])
def test_the_sdks_histograms_become_the_service_profile(
    told: Told, temporality: AggregationTemporality, *, exponential: bool
) -> None:
    exporter = OTLPMetricExporter(
        f"{told.http}/v1/metrics", preferred_temporality={Histogram: temporality}
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    views = [View(instrument_name="http.*", aggregation=ExponentialBucketHistogramAggregation())]
    provider = MeterProvider([reader], RESOURCE, views=views if exponential else ())
    duration = provider.get_meter("server").create_histogram(
        "http.server.request.duration",
        unit="s",
        explicit_bucket_boundaries_advisory=[0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10],
    )
    for value in VALUES[:3]:
        duration.record(value, {"http.request.method": "POST", "http.response.status_code": 200})
    reader.force_flush()
    for value in VALUES[3:]:
        duration.record(value, {"http.request.method": "POST", "http.response.status_code": 200})
    duration.record(0.5, {"http.response.status_code": 503, "error.type": "503"})
    reader.force_flush()
    provider.shutdown()  # exports once more: cumulative points that say nothing new
    service = told.service(6)
    assert service.outcomes == {"ok": 5, "server_error": 1}
    assert service.statuses == {"200": 5, "503": 1}
    assert service.latency.count == 6
    assert service.latency_sum == pytest.approx(sum(VALUES) + 0.5)
    middle = service.latency.quantile(0.3)
    assert middle is not None
    assert 0.025 <= middle <= 0.05
    labels = {sample.labels.as_dict()["version"] for sample in told.far_side.samples.values()}
    assert labels == {"7"}


@pytest.mark.parametrize("told", ["spans"], indirect=True)
def test_server_spans_are_requests_and_client_spans_are_edges(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tracer_of(service: str) -> tuple[trace.Tracer, TracerProvider]:
        provider = TracerProvider(resource=Resource({"service.name": service}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(told.grpc, insecure=True)))
        return provider.get_tracer("test"), provider

    ours, first = tracer_of("fraud-scorer")
    theirs, second = tracer_of("gateway")
    client = theirs.start_span("call", kind=trace.SpanKind.CLIENT)
    client.end()
    with (
        ours.start_as_current_span(
            "POST /predict",
            context=trace.set_span_in_context(client),
            kind=trace.SpanKind.SERVER,
            attributes={"http.response.status_code": 200},
        ),
        ours.start_as_current_span(
            "GET", kind=trace.SpanKind.CLIENT, attributes={"server.address": "feature-store"}
        ),
    ):
        pass
    with ours.start_as_current_span("POST /predict", kind=trace.SpanKind.SERVER) as span:
        span.set_status(trace.StatusCode.ERROR)
    first.shutdown()
    second.shutdown()
    service = told.service(2)
    assert service.outcomes == {"ok": 1, "exception": 1}
    edges = told.agent.exports.measured.edges()
    assert edges == {("gateway", "fraud-scorer"): 1}
    monkeypatch.setattr(
        edges_module, "CALL_SECONDS", 0.0
    )  # what waits for its other side waits no longer
    edges = told.agent.exports.measured.edges()
    assert edges == {("gateway", "fraud-scorer"): 1, ("fraud-scorer", "feature-store"): 1}
    calls = [f for f in told.agent.exports.measured.families() if f.metric.name.endswith("calls")]
    assert sum(point.value for point in calls[0].points if isinstance(point.value, int)) == 2
    assert told.agent.counters.snapshot()["otlp_spans"] == 4


def request_with(**point: Any) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "fraud-scorer"
    metric = resource.scope_metrics.add().metrics.add()
    metric.name, metric.unit = "http.server.request.duration", "s"
    metric.histogram.aggregation_temporality = CUMULATIVE
    now = time.time_ns()  # a series that began after the agent
    times: dict[str, Any] = {"start_time_unix_nano": now, "time_unix_nano": now + 1}
    metric.histogram.data_points.add(**{**times, **point})
    return request


def counting(count: int, at: int, start: int, instance: str = "") -> ExportMetricsServiceRequest:
    """A cumulative point of *count* requests at second *at* of a series that began at *start*."""
    request = request_with(
        start_time_unix_nano=start,
        time_unix_nano=start + at * 1_000_000_000,
        count=count,
        sum=0.5 * count,
        explicit_bounds=[1.0],
        bucket_counts=[count, 0],
    )
    if instance:
        told = request.resource_metrics[0].resource.attributes.add()
        told.key, told.value.string_value = "service.instance.id", instance
    return request


def counted(told: Told, *requests: ExportMetricsServiceRequest) -> int:
    """Requests that the profile holds after these points."""
    for request in requests:
        assert told.post("/v1/metrics", request.SerializeToString())[0] == 200
    return told.agent.counters.snapshot()["otlp_requests"]


def test_workers_of_one_service_are_series_of_their_own(told: Told) -> None:
    start = time.time_ns()
    both = [
        counting(10 * at, at, start + differ, instance)
        for at in range(1, 6)
        for instance, differ in (("a", 0), ("b", 0))
    ]
    assert counted(told, *both) == 100
    unnamed = [
        counting(10 * at, at, start + differ) for at in range(1, 6) for differ in (1_000, 2_000)
    ]
    assert counted(told, *unnamed) == 200


def test_a_series_that_began_before_the_agent_counts_from_its_first_point(told: Told) -> None:
    start = time.time_ns() - 3600 * 1_000_000_000
    assert counted(told, counting(1000, 3600, start)) == 0
    assert counted(told, counting(1001, 3601, start)) == 1


def test_a_point_that_comes_late_counts_nothing(told: Told) -> None:
    start = time.time_ns()
    points = [counting(count, at, start) for count, at in ((10, 1), (20, 2), (10, 1), (25, 3))]
    assert counted(told, *points) == 25


def test_a_point_without_a_recorded_value_changes_nothing(told: Told) -> None:
    start = time.time_ns()
    nothing = counting(0, 2, start)
    point = nothing.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    point.flags = 1
    del point.bucket_counts[:], point.explicit_bounds[:]
    assert counted(told, counting(10, 1, start), nothing, counting(10, 3, start)) == 10
    assert told.agent.counters.snapshot()["otlp_points_refused"] == 0


def test_a_histogram_of_a_count_and_a_sum_counts(told: Told) -> None:
    request = counting(4, 1, time.time_ns())
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    del point.bucket_counts[:], point.explicit_bounds[:]
    assert counted(told, request) == 4
    assert told.service(4).latency_sum == 2.0


def test_series_beyond_the_limit_are_refused_and_the_others_stay_right(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cumulative, "MAX_SERIES", 3)
    start = time.time_ns()
    every = [counting(10 * at, at, start, str(n)) for at in (1, 2, 3) for n in range(4)]
    assert counted(told, *every) == 3 * 30
    assert told.agent.counters.snapshot()["otlp_points_refused"] == 3
    monkeypatch.setattr(cumulative, "SERIES_SECONDS", 0.0)  # the idle make room
    assert counted(told, counting(7, 1, start, "new")) == 97


@pytest.mark.parametrize("name", ["http.server.duration", "rpc.server.duration"])
def test_older_names_in_milliseconds_count_too_and_each_request_once(told: Told, name: str) -> None:
    request = counting(5, 1, time.time_ns())
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.name, metric.unit = name, "ms"
    metric.histogram.data_points[0].explicit_bounds[0] = 1000.0
    other = request.resource_metrics[0].scope_metrics[0].metrics.add()
    other.name = "process.cpu.time"
    assert counted(told, request) == 5
    assert told.agent.counters.snapshot()["otlp_metrics_ignored"] == 1
    both = counting(3, 1, time.time_ns(), "with both names")
    old = both.resource_metrics[0].scope_metrics[0].metrics.add()
    old.CopyFrom(both.resource_metrics[0].scope_metrics[0].metrics[0])
    old.name = "http.server.duration"
    assert counted(told, both) == 8


def test_what_was_told_to_come_again_counts_once(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_receiver, "ACKNOWLEDGE_SECONDS", 0.2)
    request = counting(5, 1, time.time_ns())
    request.resource_metrics[0].scope_metrics[0].metrics[
        0
    ].histogram.aggregation_temporality = PbTemporality.AGGREGATION_TEMPORALITY_DELTA
    body = request.SerializeToString()
    stands, go_on = threading.Event(), threading.Event()

    def stand() -> None:
        stands.set()
        go_on.wait(60)

    with monkeypatch.context() as patched:
        patched.setattr(told.agent.buffer, "maintain", stand)
        eventually(stands.is_set)
        assert told.post("/v1/metrics", body)[0] == 503
        assert told.post("/v1/metrics", body)[0] == 503
        go_on.set()
    assert eventually(lambda: told.post("/v1/metrics", body)[0] == 200)
    assert told.service(5).count == 5


@pytest.mark.parametrize("status", ["9" * 5000, "\u0665\u0660\u0663", "-50", "5e2", "0200", ""])
def test_a_status_that_is_none_is_left_out(told: Told, status: str) -> None:
    request = request_with(count=1, sum=0.5, explicit_bounds=[1.0], bucket_counts=[1, 0])
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    attribute = point.attributes.add()
    attribute.key, attribute.value.string_value = "http.response.status_code", status
    assert told.post("/v1/metrics", request.SerializeToString())[0] == 200
    service = told.service(1)
    assert (service.statuses, service.outcomes) == ({}, {"ok": 1})


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff", {}, 400),
        (b"a: b", {"content_type": "application/yaml"}, 415),
        (b"[" * 100_000, {"content_type": "application/json"}, 400),
        (b'{"resourceMetrics": 3}', {"content_type": "application/json"}, 400),
        (b"\xff", {"content_type": "application/json"}, 400),
        (b"x", {"content_encoding": "gzip"}, 400),
        (b"x", {"content_encoding": "br"}, 400),
        (gzip.compress(b"\0" * (64 << 20)), {"content_encoding": "gzip"}, 400),
        (b"", {"content_length": str(1 << 40)}, 413),
        (b"", {"content_length": "9" * 5000}, 413),
        (b"", {"content_length": "0" * 5000}, 413),
        (b"", {"content_length": "\u0661".encode().decode("latin-1")}, 411),
    ],
)
def test_what_is_no_otlp_is_refused(
    told: Told, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert told.post("/v1/metrics", body, **headers)[0] == status
    assert told.post("/v1/logs", b"")[0] == 404
    assert told.post("/v1/metrics", b"")[0] == 200


def test_a_bomb_is_unpacked_up_to_the_cap_only() -> None:
    bomb = gzip.compress(b"\0" * (256 << 20))
    tracemalloc.start()
    assert unpacked(bomb, "gzip", MAX_BODY_BYTES) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MAX_BODY_BYTES
    assert unpacked(gzip.compress(b"fits"), "GZIP", MAX_BODY_BYTES) == b"fits"


@pytest.mark.parametrize(
    "point",
    [
        {"count": 5, "explicit_bounds": [1.0], "bucket_counts": [1, 1]},  # counts disagree
        {"count": 2, "explicit_bounds": [1.0], "bucket_counts": [2]},
        {"count": 2, "explicit_bounds": [2.0, 1.0], "bucket_counts": [1, 1, 0]},
        {"count": 1, "explicit_bounds": [-1.0], "bucket_counts": [1, 0]},
        {"count": 1, "explicit_bounds": [float("nan")], "bucket_counts": [1, 0]},
        {"count": 1, "bucket_counts": [1], "time_unix_nano": 0},
        {"count": 1, "bucket_counts": [1], "time_unix_nano": (1 << 64) - 1},
    ],
)
def test_a_point_that_makes_no_sense_is_refused_by_number(
    told: Told, point: dict[str, Any]
) -> None:
    status, body = told.post("/v1/metrics", request_with(**point).SerializeToString())
    assert status == 200
    reply = ExportMetricsServiceResponse.FromString(body)
    assert reply.partial_success.rejected_data_points == 1
    assert told.agent.counters.snapshot()["otlp_points_refused"] == 1


def test_a_cumulative_point_that_comes_again_counts_once(told: Told) -> None:
    start = time.time_ns()
    assert counted(told, *[counting(3, 1, start)] * 4) == 3
    # A restart of the server begins a new series, by its start time or by falling counts.
    assert counted(told, counting(1, 2, start)) == 4
    assert counted(told, counting(2, 1, start + 5_000_000_000)) == 6
    assert told.service(6).latency_sum == 3.0


@pytest.mark.parametrize("told", ["spans"], indirect=True)
def test_a_call_is_one_edge_in_whatever_order_its_spans_come(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def span(service: str, kind: int, number: int, parent: int = 0, peer: str = "") -> bytes:
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        name = resource.resource.attributes.add()
        name.key, name.value.string_value = "service.name", service
        one = resource.scope_spans.add().spans.add(kind=kind, trace_id=b"t" * 16)
        one.span_id = number.to_bytes(8) if number else b""
        one.parent_span_id = parent.to_bytes(8) if parent else b""
        one.start_time_unix_nano, one.end_time_unix_nano = 1, 2
        if peer:
            told_peer = one.attributes.add()
            told_peer.key, told_peer.value.string_value = "peer.service", peer
        return request.SerializeToString()

    server, client = 2, 3
    for body in (
        span("features", server, 11, parent=1),  # ends, and comes, before its caller
        span("fraud-scorer", client, 1, peer="features-by-another-name"),
        span("fraud-scorer", client, 2, peer="10.0.0.7"),
        span("fraud-scorer", client, 0),
        span("gateway", server, 12),  # a root
        span("fraud-scorer", client, 3, peer="cache"),
    ):
        assert told.post("/v1/traces", body)[0] == 200
    monkeypatch.setattr(edges_module, "CALL_SECONDS", 0.0)
    edges = told.agent.exports.measured.edges()
    assert edges == {("fraud-scorer", "features"): 1, ("fraud-scorer", "cache"): 1}
    monkeypatch.setattr(edges_module, "MAX_EDGES", 2)
    told.post("/v1/traces", span("fraud-scorer", client, 4, peer="one-more"))
    assert told.agent.exports.measured.edges() == edges
    assert told.agent.counters.snapshot()["otlp_calls_left_out"] == 1


@pytest.mark.parametrize("told", ["spans"], indirect=True)
def test_json_says_the_same(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges_module, "CALL_SECONDS", 0.0)
    body = b"""{"resourceSpans": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "fraud-scorer"}}]},
        "scopeSpans": [{"spans": [
            {"spanId": "eee19b7ec3c1b174", "kind": 2, "unheardOf": true,
             "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000500000000"},
            {"spanId": "eee19b7ec3c1b175", "parentSpanId": "eee19b7ec3c1b174", "kind": 3,
             "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000500000000",
             "attributes": [{"key": "peer.service", "value": {"stringValue": "features"}}]}
        ]}]}]}"""
    status, reply = told.post("/v1/traces", body, content_type="application/json")
    assert (status, reply) == (200, b"{}")
    service = told.service(1)
    assert service.latency_sum == 0.5
    assert told.agent.exports.measured.edges() == {("fraud-scorer", "features"): 1}


def test_a_service_without_a_usable_name_is_refused(told: Told) -> None:
    request = request_with(count=1, bucket_counts=[1])
    request.resource_metrics[0].resource.attributes[0].value.string_value = "no spaces please"
    _, body = told.post("/v1/metrics", request.SerializeToString())
    assert ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_door(told: Told, body: bytes) -> None:
    assert told.post("/v1/metrics", body)[0] in {200, 400}
    assert told.post("/v1/traces", body)[0] in {200, 400}
