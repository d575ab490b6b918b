"""What leaves over OTLP, received by a real gRPC server and by a real HTTP one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

from nilometer.alert import Alerter, AlerterKind, evaluate
from nilometer.batch import reference_of
from nilometer.labels import Labels
from nilometer.profile import (
    Coverage,
    FeatureProfile,
    FeatureSpec,
    Profile,
    ServiceProfile,
    SummarySample,
)
from nilometer.testing import SteppedClock, amounts
from nilometer.window import Window
from nilometer_agent.counters import Counters
from nilometer_agent.export import Exporter, open_exporter
from nilometer_agent.settings import AgentSettings

LABELS = Labels.of(region="eu")
WINDOW = Window(0, 60_000_000_000)


class Receiver(MetricsServiceServicer):
    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.server = grpc.server(ThreadPoolExecutor(2))
        add_MetricsServiceServicer_to_server(self, self.server)  # type: ignore[no-untyped-call]
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Export(
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        self.requests.append(request)
        return ExportMetricsServiceResponse()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop(0).wait()


def exporter_to(endpoint: str, protocol: str = "grpc") -> Exporter:
    settings = AgentSettings(otlp_endpoint=endpoint, otlp_protocol=protocol, name="pod-1")
    exporter = open_exporter(settings, Counters(), SteppedClock())
    assert exporter is not None
    return exporter


def delta(values: list[float]) -> Profile:
    profile = Profile("tested", LABELS, WINDOW)
    profile.feature("input.amount", lambda _: FeatureSpec()).observe(values)
    profile.observe_service(
        ServiceProfile.of(
            outcomes={"ok": len(values)},
            statuses={"200": len(values)},
            latencies=[0.01] * len(values),
            request_sizes=[10] * len(values),
            response_sizes=[10] * len(values),
        )
    )
    profile.cover(Coverage(profiled=len(values)))
    return profile


def metrics_of(request: ExportMetricsServiceRequest) -> dict[str, Any]:
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def attributes(point: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in point.attributes}


def test_counts_are_cumulative_over_deltas(receiver: Receiver) -> None:
    exporter = exporter_to(f"http://127.0.0.1:{receiver.port}")
    exporter.observe(delta([1.0, 2.0, 0.0]))
    assert exporter.export_once()
    exporter.observe(delta([4.0]))
    assert exporter.export_once()
    first, second = (metrics_of(request) for request in receiver.requests)
    for metrics, count in ((first, 3), (second, 4)):
        (latency,) = metrics["http.server.request.duration"].exponential_histogram.data_points
        (values,) = metrics["nilometer.feature.value"].exponential_histogram.data_points
        (requests,) = metrics["nilometer.requests"].sum.data_points
        assert (latency.count, values.count, requests.as_int) == (count, count, count)
        assert values.zero_count == 1
        assert sum(values.positive.bucket_counts) == count - 1
        assert values.start_time_unix_nano == latency.start_time_unix_nano > 0
    (values,) = second["nilometer.feature.value"].exponential_histogram.data_points
    assert values.sum == 7.0
    assert attributes(values) == {
        "nilometer.entity": "tested",
        "nilometer.summary": "input.amount",
        "nilometer.label.region": "eu",
    }
    exporter.stop(1.0)


def test_negative_values_go_out_without_a_sum(receiver: Receiver) -> None:
    exporter = exporter_to(f"http://127.0.0.1:{receiver.port}")
    exporter.observe(delta([-1.0, -2.5, 3.0]))
    assert exporter.export_once()
    metrics = metrics_of(receiver.requests[0])
    (values,) = metrics["nilometer.feature.value"].exponential_histogram.data_points
    assert sum(values.negative.bucket_counts) == 2
    assert not values.HasField("sum")
    exporter.stop(1.0)


def test_the_last_window_and_its_verdict_are_gauges(receiver: Receiver) -> None:
    import pyarrow

    exporter = exporter_to(f"http://127.0.0.1:{receiver.port}")
    table = pyarrow.table({"amount": amounts(1000)})
    reference = reference_of(table, entity="tested", name="training", source="t", created_ns=1)
    profile = delta([value * 3 for value in amounts(500, seed=1)])
    sample = next(s for s in profile.samples() if s.summary == "input.amount")
    assert isinstance(sample, SummarySample)
    alerter = Alerter(
        entity="tested",
        name="drift",
        summary="input.*",
        kind=AlerterKind.REFERENCE,
        reference="training",
        threshold=0.2,
    )
    evaluation = evaluate(alerter, sample, {"training": reference})
    exporter.closed(profile.samples(), [evaluation])
    assert exporter.export_once()
    metrics = metrics_of(receiver.requests[0])
    (value,) = metrics["nilometer.evaluation.value"].gauge.data_points
    (breach,) = metrics["nilometer.evaluation.breach"].gauge.data_points
    quantiles = metrics["nilometer.feature.quantile"].gauge.data_points
    assert value.as_double == evaluation.value > 0.2
    assert breach.as_int == 1
    assert attributes(value)["nilometer.measure"] == "psi"
    median = next(p for p in quantiles if attributes(p)["nilometer.quantile"] == 0.5)
    content = sample.content
    assert isinstance(content, FeatureProfile)
    assert median.as_double == pytest.approx(float(content.numbers.digest.quantile(0.5)))
    exporter.stop(1.0)


def test_http_takes_the_same_points() -> None:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    paths: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        exporter = exporter_to(f"http://127.0.0.1:{server.server_address[1]}", "http/protobuf")
        exporter.observe(delta([1.0]))
        assert exporter.export_once()
        exporter.stop(1.0)
    finally:
        server.shutdown()
        server.server_close()
    assert paths[0] == "/v1/metrics"
    assert "nilometer.feature.value" in metrics_of(
        ExportMetricsServiceRequest.FromString(bodies[0])
    )


def test_an_absent_receiver_is_counted_and_harms_nobody() -> None:
    counters = Counters()
    settings = AgentSettings(otlp_endpoint="http://127.0.0.1:1", otlp_protocol="http/protobuf")
    exporter = open_exporter(settings, counters, SteppedClock())
    assert exporter is not None
    exporter.observe(delta([1.0]))
    assert not exporter.export_once()
    assert counters.snapshot()["export_failures"] == 1


def test_without_an_endpoint_there_is_no_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert open_exporter(AgentSettings(), Counters(), SteppedClock()) is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    assert open_exporter(AgentSettings(), Counters(), SteppedClock()) is not None


def test_the_running_agent_exports(receiver: Receiver, tmp_path: Path) -> None:
    from asgi_zoo import echo

    from nilometer import NilometerMiddleware
    from nilometer_agent.server import Agent

    settings = AgentSettings(
        directory=str(tmp_path),
        collector="",
        otlp_endpoint=f"http://127.0.0.1:{receiver.port}",
        otlp_interval_seconds=0.1,
        commit_seconds=0.05,
    )
    agent = Agent(settings)
    agent.start()
    try:
        import asyncio

        from asgi_zoo import exchange, request_of, scope_of

        middleware = NilometerMiddleware(
            echo, entity="tested", agent=f"unix:{settings.socket_path}"
        )
        asyncio.run(exchange(middleware, scope_of(), request_of(b'{"amount": 2.5}')))
        worker = middleware._worker
        assert worker is not None
        worker.stop()
    finally:
        agent.stop()
    metrics = metrics_of(receiver.requests[-1])
    (values,) = metrics["nilometer.feature.value"].exponential_histogram.data_points[:1]
    assert values.count == 1
