"""What leaves the agent over OTLP, received by a real gRPC server and by a real HTTP one."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    add_MetricsServiceServicer_to_server,
)
from support.measures import calm_seconds
from support.otlp_receiver import GrpcReceiver, HttpReceiver, attributes, metrics_of

from nilometer.alert import AgainstReference, Alerter, evaluate
from nilometer.batch.reference import reference_of
from nilometer.export import otlp_points, otlp_sender
from nilometer.export.otlp_settings import OtlpSettings
from nilometer.export.telemetry import PROBABILITIES
from nilometer.profile import (
    Coverage,
    FeatureProfile,
    FeatureSpec,
    Profile,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.profile import default_spec
from nilometer.profiling.observation import Observation
from nilometer.testing import SteppedClock, amounts, eventually
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counters
from nilometer_agent.measure.export import AgentExports
from nilometer_agent.settings import AgentSettings

LABELS = Labels.of(region="eu")
WINDOW = Window(0, 60_000_000_000)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[GrpcReceiver]:
    receiver = GrpcReceiver()
    yield receiver
    receiver.stop()


def settings_to(endpoint: str) -> dict[str, Any]:
    return {"otlp_endpoint": endpoint, "otlp_protocol": "grpc", "name": "pod-1"}


class Out:
    """An agent's exports to one receiver, without the agent."""

    def __init__(self, endpoint: str, **settings: Any) -> None:
        self.counters = Counters()
        self.clock = SteppedClock()
        told = {**settings_to(endpoint), **settings}
        self.exports = AgentExports(AgentSettings(**told), self.counters, self.clock)

    def send(self) -> bool:
        self.clock.step(15)
        assert self.exports.otlp is not None
        return self.exports.otlp.export_once()


def delta(values: list[float]) -> list[SummarySample]:
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
    return profile.samples()


def observation(**given: Any) -> Observation:
    told: dict[str, Any] = {
        "arrival_ns": 1_700_000_000_000_000_000,
        "latency": 0.25,
        "status": 200,
        "outcome": "ok",
        "method": "POST",
        "path": "/predict",
        "request_size": 100,
        "response_size": 20,
        "request_type": "application/json",
        "request_encoding": "",
        "response_type": "application/json",
        "response_encoding": "",
        "request_body": b"{}",
        "response_body": b"{}",
    }
    return Observation(**{**told, **given})


def test_counts_are_cumulative_over_deltas(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    out.exports.committed([], delta([1.0, 2.0, 0.0]))
    assert out.send()
    out.exports.committed([], delta([4.0]))
    assert out.send()
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
    out.exports.stop(1.0)


def test_lost_sides_are_told_by_side_and_reason(receiver: GrpcReceiver) -> None:
    lost = Coverage(
        profiled=9, lost_inputs={"malformed": 1}, lost_outputs={"too_large": 2, "partial": 3}
    )
    out = Out(receiver.url)
    covered = [replace(sample, coverage=lost) for sample in delta([1.0])]
    out.exports.committed([], covered)
    assert out.send()
    points = metrics_of(receiver.requests[0])["nilometer.observations.lost_sides"].sum.data_points
    found = {
        (told["nilometer.side"], told["nilometer.reason"]): point.as_int
        for point in points
        for told in [attributes(point)]
    }
    assert found == {
        ("inputs", "malformed"): 1,
        ("outputs", "too_large"): 2,
        ("outputs", "partial"): 3,
    }
    out.exports.stop(1.0)


def test_delta_temporality_sends_what_came_since(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url, otlp_temporality="delta")
    out.exports.committed([], delta([1.0, 2.0]))
    out.send()
    out.exports.committed([], delta([4.0, -1e-3, 1e9]))
    out.send()
    out.send()
    points = [
        point
        for request in receiver.requests
        for point in metrics_of(request)
        .get("nilometer.feature.value", _NONE)
        .exponential_histogram.data_points
    ]
    assert [point.count for point in points] == [2, 3]
    assert points[0].time_unix_nano == points[1].start_time_unix_nano
    assert points[0].sum == 3.0
    assert not points[1].HasField("sum")
    assert sum(points[1].negative.bucket_counts) == 1
    out.exports.stop(1.0)


SCORES = [0.0, 0.009, 0.01, 0.499, 0.5, 0.97, 1.0]  # one equal to a bound counts above it


def scored(scores: list[float]) -> list[SummarySample]:
    profile = ScoreProfile((0.25, 0.5))
    profile.observe(np.array(scores), ["yes"] * len(scores))
    profile.observe(np.array(scores), ["no"] * len(scores))
    return [
        SummarySample(
            entity="tested",
            summary="output.score.scores",
            labels=LABELS,
            window=WINDOW,
            coverage=Coverage(profiled=2 * len(scores)),
            content=profile,
        )
    ]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_scores_are_told_on_edges_of_their_bins(temporality: str, receiver: GrpcReceiver) -> None:
    out = Out(receiver.url, otlp_temporality=temporality)
    for _ in range(2):
        out.exports.committed(scored(SCORES), [])
        assert out.send()
    for number, request in enumerate(receiver.requests, 1):
        metric = metrics_of(request)["nilometer.score.value"]
        points = {attributes(p)["nilometer.predicted"]: p for p in metric.histogram.data_points}
        twice = 2 * (number if temporality == "cumulative" else 1)  # of two true classes each
        assert {name: point.count for name, point in points.items()} == {
            "0": 3 * twice,
            "1": twice,
            "2": 3 * twice,
        }
        for point in points.values():
            assert list(point.explicit_bounds) == list(PROBABILITIES)
        assert list(points["0"].bucket_counts) == [2 * twice, twice, *[0] * 12]
        assert list(points["2"].bucket_counts) == [*[0] * 7, twice, *[0] * 4, twice, twice]
        assert points["2"].sum == pytest.approx(2.47 * twice)
    out.exports.stop(1.0)


def test_a_delta_that_was_not_taken_comes_again_with_its_times() -> None:
    receiver = GrpcReceiver()
    receiver.refuse = grpc.StatusCode.PERMISSION_DENIED  # a token may come
    out = Out(receiver.url, otlp_temporality="delta")
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    out.exports.committed([], delta([2.0]))
    receiver.refuse = None
    assert out.send()
    counted: dict[tuple[int, int], int] = {}
    for request in receiver.requests:
        metric = metrics_of(request).get("nilometer.requests", _NONE)
        for point in metric.sum.data_points:
            counted[point.start_time_unix_nano, point.time_unix_nano] = point.as_int
    assert list(counted.values()) == [1, 1]
    snapshot = out.counters.snapshot()
    assert (snapshot["exports"], snapshot["export_failures"]) == (2, 1)
    out.exports.stop(1.0)
    receiver.stop()


def test_negative_values_go_out_without_a_sum(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    out.exports.committed([], delta([-1.0, -2.5, 3.0]))
    assert out.send()
    metrics = metrics_of(receiver.requests[0])
    (values,) = metrics["nilometer.feature.value"].exponential_histogram.data_points
    assert sum(values.negative.bucket_counts) == 2
    assert not values.HasField("sum")
    out.exports.committed([], delta([5.0]))
    assert out.send()
    metrics = metrics_of(receiver.requests[1])
    (values,) = metrics["nilometer.feature.value"].exponential_histogram.data_points
    assert not values.HasField("sum")  # a sum that comes back would be a reset that was none
    out.exports.stop(1.0)


def test_requests_carry_the_conventions_attributes_and_traces(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    out.exports.observed(
        "tested",
        LABELS,
        b"w1",
        LABELS,
        [
            observation(trace_parent=TRACE, in_flight=3),
            observation(trace_parent=TRACE[:-1] + "0"),  # not sampled
            observation(status=503, outcome="server_error", latency=1.5),
            observation(status=0, outcome="exception", method="BREW"),
        ],
    )
    out.exports.observed("tested", LABELS, b"w2", LABELS, [observation(in_flight=2)])
    assert out.send()
    assert "http.server.request.duration" not in metrics_of(receiver.requests[0])
    out.exports.committed(delta([1.0]), [])
    assert out.send()
    metrics = metrics_of(receiver.requests[1])
    points = {
        (told["http.request.method"], told.get("http.response.status_code", 0)): (point, told)
        for point in metrics["http.server.request.duration"].exponential_histogram.data_points
        for told in [attributes(point)]
    }
    fine, _ = points["POST", 200]
    assert (fine.count, fine.sum) == (3, 0.75)
    (exemplar,) = fine.exemplars
    assert exemplar.trace_id.hex() == TRACE.split("-")[1]
    assert exemplar.span_id.hex() == TRACE.split("-")[2]
    assert exemplar.as_double == 0.25
    assert points["POST", 503][1]["error.type"] == "503"
    assert points["_OTHER", 0][1]["error.type"] == "exception"
    active = metrics_of(receiver.requests[0])["http.server.active_requests"].sum
    assert [point.as_int for point in active.data_points] == [5]
    assert not active.is_monotonic
    later = metrics["http.server.active_requests"].sum
    assert [point.as_int for point in later.data_points] == [0]
    out.exports.stop(1.0)


def test_workers_that_are_gone_are_forgotten() -> None:
    out = Out("http://127.0.0.1:1")
    for number in range(1000):
        out.clock.step(10)
        out.exports.observed(
            "tested", LABELS, number.to_bytes(16, "big"), LABELS, [observation(in_flight=2)]
        )
    ((_, workers),) = out.exports.measured._peaks.items()
    assert len(workers) <= 4
    (active,) = [
        family
        for family in out.exports.measured.families()
        if family.metric.name == "http.server.active_requests"
    ]
    assert active.points[0].value in {4, 6}
    out.exports.stop(0.0)


def test_generative_requests_leave_under_the_mapped_names(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    gaps = struct.pack("<2f", 0.5, 0.25)
    streamed = observation(path="/v1/chat/completions", first_byte=0.125, chunk_gaps=gaps)
    call = observation(
        path="/inference.GRPCInferenceService/ModelInfer", request_type="application/grpc"
    )
    out.exports.observed("llm", LABELS, b"w", LABELS, [streamed, call])
    out.exports.committed([], [])
    profile = Profile("llm", LABELS, WINDOW)
    profile.feature("output.output_tokens", default_spec).observe([7, 9])
    out.exports.committed(profile.samples(), [])
    assert out.send()
    metrics = metrics_of(receiver.requests[0])

    def the(name: str) -> Any:
        (point,) = metrics[name].exponential_histogram.data_points
        return point

    assert the("gen_ai.server.time_to_first_token").sum == 0.125
    assert (
        the("gen_ai.server.time_per_output_token").count,
        the("gen_ai.server.time_per_output_token").sum,
    ) == (2, 0.75)
    told = attributes(the("gen_ai.server.request.duration"))
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "llm"
    assert attributes(the("gen_ai.client.token.usage"))["gen_ai.token.type"] == "output"
    assert the("gen_ai.client.token.usage").sum == 16
    rpc = attributes(the("rpc.server.call.duration"))
    assert rpc["rpc.method"] == "inference.GRPCInferenceService/ModelInfer"
    assert the("http.server.request.duration").count == 1  # the gRPC call is no HTTP request
    out.exports.stop(1.0)


def test_the_last_window_and_its_verdict_are_gauges(receiver: GrpcReceiver) -> None:
    import pyarrow

    out = Out(receiver.url)
    table = pyarrow.table({"amount": amounts(1000)})
    reference = reference_of(table, entity="tested", name="training", source="t", created_ns=1)
    samples = delta([value * 3 for value in amounts(500, seed=1)])
    sample = next(s for s in samples if s.summary == "input.amount")
    alerter = Alerter(
        entity="tested",
        name="drift",
        summary="input.*",
        condition=AgainstReference(reference="training", threshold=0.2),
    )
    evaluation = evaluate(alerter, sample, {"training": reference})
    out.exports.closed(samples, [evaluation])
    assert out.send()
    metrics = metrics_of(receiver.requests[0])
    (value,) = metrics["nilometer.evaluation.value"].gauge.data_points
    (threshold,) = metrics["nilometer.evaluation.threshold"].gauge.data_points
    (breach,) = metrics["nilometer.evaluation.breach"].gauge.data_points
    (evidence,) = metrics["nilometer.evaluation.evidence"].gauge.data_points
    quantiles = metrics["nilometer.feature.quantile"].gauge.data_points
    assert value.as_double == evaluation.value > threshold.as_double == 0.2
    assert (breach.as_int, evidence.as_int) == (1, 500)
    assert attributes(value)["nilometer.measure"] == "psi"
    median = next(p for p in quantiles if attributes(p)["nilometer.quantile"] == 0.5)
    content = sample.content
    assert isinstance(content, FeatureProfile)
    assert median.as_double == pytest.approx(float(content.numbers.digest.quantile(0.5)))
    out.clock.step(10_000)
    assert out.send()
    assert "nilometer.feature.quantile" not in metrics_of(receiver.requests[1])
    out.exports.stop(1.0)


def test_ten_thousand_label_sets_are_bounded_and_nothing_is_lost(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    for number in range(10_000):
        profile = Profile("tested", Labels.of(tenant=str(number)), WINDOW)
        profile.feature("input.amount", default_spec).observe([1.0])
        out.exports.committed(profile.samples(), [])
    assert out.send()
    points = [
        point
        for request in receiver.requests
        for point in metrics_of(request)
        .get("nilometer.feature.value", _NONE)
        .exponential_histogram.data_points
    ]
    assert len(points) == 2000
    assert sum(point.count for point in points) == 10_000
    (overflow,) = [p for p in points if attributes(p) == {"otel.metric.overflow": True}]
    assert overflow.count == 8001
    assert out.send()
    own = metrics_of(receiver.requests[-1])["nilometer.agent.series_overflowed"]
    assert own.sum.data_points[0].as_int >= 8001
    out.exports.stop(1.0)


def test_the_resource_comes_from_the_standard_variables(
    receiver: GrpcReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "fraud-agent")
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        "k8s.pod.name=pod-7,k8s.namespace.name=ml,odd%20key=a%2Cb,broken",
    )
    out = Out(receiver.url)
    out.exports.committed([], delta([1.0]))
    assert out.send()
    told = attributes(receiver.requests[0].resource_metrics[0].resource)
    assert told["service.name"] == "fraud-agent"
    assert told["service.instance.id"] == "pod-1"
    assert (told["k8s.pod.name"], told["k8s.namespace.name"]) == ("pod-7", "ml")
    assert told["odd key"] == "a,b"
    out.exports.stop(1.0)


def test_http_takes_the_same_points() -> None:
    receiver = HttpReceiver()
    out = Out(receiver.url, otlp_protocol="http/protobuf")
    out.exports.committed([], delta([1.0]))
    assert out.send()
    out.exports.stop(1.0)
    receiver.stop()
    assert receiver.paths[0] == "/v1/metrics"
    assert "nilometer.feature.value" in metrics_of(receiver.requests[0])


def test_headers_and_compression_come_from_the_standard_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    receiver = HttpReceiver()
    out = Out(receiver.url, otlp_protocol="")
    out.exports.committed([], delta([1.0]))
    assert out.send()
    out.exports.stop(1.0)
    receiver.stop()
    assert receiver.headers[0]["x-tenant"] == "blue"
    assert receiver.headers[0]["content-encoding"] == "gzip"
    assert "nilometer.feature.value" in metrics_of(receiver.requests[0])


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_points_that_were_rejected_are_counted(protocol: str) -> None:
    receiver = GrpcReceiver() if protocol == "grpc" else HttpReceiver()
    reply = ExportMetricsServiceResponse()
    reply.partial_success.rejected_data_points = 3
    reply.partial_success.error_message = "too many"
    receiver.reply = reply
    out = Out(receiver.url, otlp_protocol=protocol)
    out.exports.committed([], delta([1.0]))
    assert out.send()
    assert out.counters.snapshot()["export_points_rejected"] == 3
    out.exports.stop(1.0)
    receiver.stop()


@pytest.mark.parametrize("kind", ["garbage", "endless"])
def test_a_reply_that_is_none_costs_a_bounded_read(kind: str) -> None:
    receiver = HttpReceiver()
    receiver.raw = b"\xff" * 100 if kind == "garbage" else None
    receiver.endless = kind == "endless"
    out = Out(receiver.url, otlp_protocol="http/protobuf")
    out.exports.committed([], delta([1.0]))
    assert out.send()
    assert out.counters.snapshot()["export_replies_unreadable"] == 1
    assert receiver.sent_bytes < 8 << 20
    out.exports.stop(1.0)
    receiver.stop()


def test_a_proxy_of_the_environment_carries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for receiver, protocol in ((GrpcReceiver(), "grpc"), (HttpReceiver(), "http/protobuf")):
        out = Out(receiver.url, otlp_protocol=protocol)
        out.exports.committed([], delta([1.0]))
        assert out.send()
        out.exports.stop(1.0)
        receiver.stop()


def test_an_absent_receiver_is_counted_and_harms_nobody() -> None:
    out = Out("http://127.0.0.1:1", otlp_protocol="http/protobuf")
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    assert out.counters.snapshot()["export_failures"] == 1
    out.exports.stop(0.1)


def counted_once(requests: list[ExportMetricsServiceRequest]) -> int:
    """Requests as a backend adds them up: the last point of each start of the series."""
    last: dict[int, int] = {}
    for request in requests:
        metric = metrics_of(request).get("nilometer.requests", _NONE)
        for point in metric.sum.data_points:
            last[point.start_time_unix_nano] = point.as_int
    return sum(last.values())


def test_a_receiver_that_restarts_counts_once() -> None:
    first = GrpcReceiver()
    out = Out(first.url)
    out.exports.committed([], delta([1.0, 2.0]))
    assert out.send()
    first.refuse = grpc.StatusCode.PERMISSION_DENIED
    out.exports.committed([], delta([3.0]))
    assert not out.send()
    first.stop()
    second = GrpcReceiver(first.port)
    assert out.send()
    assert counted_once(first.requests + second.requests) == counted_once(second.requests) == 3
    out.exports.stop(1.0)
    second.stop()


def test_cumulative_points_that_were_not_taken_are_not_kept(receiver: GrpcReceiver) -> None:
    out = Out(receiver.url)
    receiver.refuse = grpc.StatusCode.PERMISSION_DENIED  # a token may come
    for _ in range(3):
        out.exports.committed([], delta([1.0]))
        assert not out.send()
    receiver.refuse = None
    assert out.send()
    assert len(receiver.requests) == 1  # the newest says it all
    assert counted_once(receiver.requests) == 3
    out.exports.stop(1.0)


def test_an_agent_that_restarts_begins_a_new_series(receiver: GrpcReceiver) -> None:
    clock = SteppedClock()
    for values in ([1.0, 2.0], [3.0]):
        exports = AgentExports(AgentSettings(**settings_to(receiver.url)), Counters(), clock)
        exports.committed([], delta(values))
        assert exports.otlp is not None
        for _ in range(2):
            clock.step(15)
            assert exports.otlp.export_once()
        exports.stop(1.0)
    assert counted_once(receiver.requests) == 3


def wait_at_most(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("otlp", "otlp_sender"):
        monkeypatch.setattr(f"nilometer.export.{module}.EXPORT_SECONDS", seconds)


def test_a_receiver_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_at_most(0.3, monkeypatch)
    receiver = HttpReceiver()
    receiver.waits.clear()
    out = Out(receiver.url, otlp_protocol="http/protobuf")
    out.exports.committed([], delta([1.0]))
    started = calm_seconds()
    assert not out.send()
    assert calm_seconds() - started < 3.0
    assert out.counters.snapshot()["export_failures"] == 1
    receiver.stop()
    out.exports.stop(0.1)


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_points_that_are_refused_for_good_hold_up_no_others(temporality: str) -> None:
    receiver = GrpcReceiver()
    out = Out(receiver.url, otlp_temporality=temporality)
    receiver.refuse = grpc.StatusCode.INVALID_ARGUMENT
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    receiver.refuse = None
    out.exports.committed([], delta([2.0]))
    assert out.send()
    assert len(receiver.requests) == 1
    dropped = out.counters.snapshot()["export_intervals_dropped"]
    assert dropped == (1 if temporality == "delta" else 0)
    out.exports.stop(1.0)
    receiver.stop()


def test_every_request_is_far_below_what_receivers_take() -> None:
    receiver = GrpcReceiver()
    out = Out(receiver.url)
    wide = [10.0**power for power in range(-20, 20)]
    labels = [Labels.of({"region": f"r{number}"}) for number in range(1500)]
    for at in labels:
        out.exports.committed([], [replace(one, labels=at) for one in delta(wide)])
    assert out.send()
    sizes = [request.ByteSize() for request in receiver.requests]
    assert len(sizes) > 1
    assert max(sizes) < otlp_points.MAX_BYTES
    points = sum(
        len(metrics_of(request)["nilometer.feature.value"].exponential_histogram.data_points)
        for request in receiver.requests
        if "nilometer.feature.value" in metrics_of(request)
    )
    assert points == len(labels)
    out.exports.stop(1.0)
    receiver.stop()


def test_what_cannot_be_gathered_is_counted_and_comes_the_next_time(
    receiver: GrpcReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Out(receiver.url, otlp_interval_seconds=0.1)
    out.exports.committed([], delta([1.0]))
    assert out.exports.otlp is not None

    def fails() -> list[Any]:
        raise OSError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(out.exports.otlp, "_gather", fails)
        out.exports.start()
        eventually(lambda: out.counters.snapshot()["export_failures"] >= 2)
    eventually(lambda: receiver.requests)
    out.exports.stop(1.0)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_not_taken_for_an_answer(status: int) -> None:
    receiver, elsewhere = HttpReceiver(), HttpReceiver()
    receiver.status, receiver.location = status, elsewhere.url
    receiver.endless = True
    out = Out(receiver.url, otlp_protocol="http/protobuf")
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    assert receiver.sent_bytes < 8 << 20  # what the kernel holds between the two
    assert elsewhere.requests == []
    snapshot = out.counters.snapshot()
    assert (snapshot["exports"], snapshot["export_failures"]) == (0, 1)
    out.exports.stop(1.0)
    receiver.stop()
    elsewhere.stop()


@pytest.mark.parametrize(
    ("endpoint", "insecure"),
    [("http://127.0.0.1:1", True), ("https://127.0.0.1:1", None), ("127.0.0.1:1", None)],
)
def test_only_http_is_sent_in_the_clear(
    endpoint: str, insecure: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(otlp_sender, "_Grpc", lambda *_, **named: told.append(named["insecure"]))
    otlp_sender.open_sender(OtlpSettings(endpoint=endpoint, protocol="grpc"), lambda *_: None)
    assert told == [insecure]


def test_a_wrong_token_is_a_failure_and_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20wrong-secret")
    receiver = GrpcReceiver()
    receiver.token = "Bearer right"
    out = Out(receiver.url)
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    assert out.counters.snapshot()["export_failures"] == 1
    assert "wrong-secret" not in caplog.text
    receiver.token = "Bearer wrong-secret"
    assert out.send()
    out.exports.stop(1.0)
    receiver.stop()


def test_intervals_that_nobody_takes_are_bounded_and_counted() -> None:
    receiver = GrpcReceiver()
    receiver.refuse = grpc.StatusCode.PERMISSION_DENIED  # a token may come
    out = Out(receiver.url, otlp_temporality="delta")
    for _ in range(25):
        out.exports.committed([], delta([1.0]))
        assert not out.send()
    assert out.counters.snapshot()["export_intervals_dropped"] == 5
    receiver.refuse = None
    out.exports.committed([], delta([1.0]))
    assert out.send()
    assert len(receiver.requests) == 21
    out.exports.stop(1.0)
    receiver.stop()


def test_tls_comes_from_the_standard_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    receiver = GrpcReceiver()
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    server = grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    wait_at_most(2.0, monkeypatch)
    without = Out(f"https://localhost:{port}")
    assert not without.send()
    without.exports.stop(0.1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
    out = Out(f"https://localhost:{port}")
    out.exports.committed([], delta([1.0]))
    assert out.send()
    out.exports.stop(1.0)
    server.stop(0).wait(60)
    receiver.stop()


def test_a_forked_child_exports_nothing(
    receiver: GrpcReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Out(receiver.url)
    out.exports.committed([], delta([1.0]))
    mine = os.getpid()
    monkeypatch.setattr("os.getpid", lambda: mine + 1)
    assert not out.send()
    monkeypatch.undo()
    assert out.send()
    assert len(receiver.requests) == 1
    out.exports.stop(1.0)


def test_without_an_endpoint_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    out = Out("")
    out.exports.committed([], delta([1.0]))
    assert out.exports.otlp is None
    assert out.exports.measured.series.families() == []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    assert Out("").exports.otlp is not None


def test_delta_points_that_wait_at_the_end_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    receiver = GrpcReceiver()
    receiver.refuse = grpc.StatusCode.PERMISSION_DENIED
    out = Out(receiver.url, otlp_temporality="delta")
    out.exports.committed([], delta([1.0]))
    assert not out.send()
    out.exports.stop(1.0)
    assert out.counters.snapshot()["export_intervals_dropped"] == 1
    assert "delta points lost at shutdown: the OTLP endpoint did not accept them" in caplog.text
    receiver.stop()


def test_a_wrong_standard_variable_is_told_and_left_out(
    receiver: GrpcReceiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke-signals")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes")
    out = Out(receiver.url, otlp_protocol="")
    out.exports.committed([], delta([1.0]))
    assert out.send()
    assert caplog.text.count("environment variable ignored") == 2
    out.exports.stop(1.0)


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")]
)
def test_the_standard_variables_can_switch_the_export_off(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv(name, value)
    assert Out("").exports.otlp is None
    own = Out("http://127.0.0.1:4317")  # our own setting is about us
    assert own.exports.otlp is not None


def test_the_running_agent_exports(receiver: GrpcReceiver, tmp_path: Path) -> None:
    from support.asgi_zoo import echo

    from nilometer import NilometerMiddleware
    from nilometer_agent.server import Agent

    settings = AgentSettings(
        directory=str(tmp_path),
        collector="",
        otlp_endpoint=receiver.url,
        otlp_interval_seconds=0.1,
        commit_seconds=0.05,
    )
    agent = Agent(settings)
    agent.start()
    try:
        import asyncio

        from support.asgi_zoo import exchange, request_of, scope_of

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
    (latency,) = metrics["http.server.request.duration"].exponential_histogram.data_points
    assert attributes(latency)["http.response.status_code"] == 200


class _None:
    """A metric without points."""

    def __getattr__(self, _: str) -> Any:
        return ExportMetricsServiceRequest().resource_metrics if _ == "data_points" else self


_NONE = _None()
