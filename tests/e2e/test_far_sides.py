"""A replay through agent and collector, and every number that comes out on the far side.

The far sides are rotel (always), the OpenTelemetry Collector (where Go can build it) and a real
Prometheus (where it is installed). Ours is what the collector has stored by the other way, the
shipping of samples.
"""

import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from e2e.numbers import Received, Stored, counted, same_buckets, stored
from e2e.stack import GoCollector, Prometheus, Stack, built_collector, replayed, rotel
from support.otlp_receiver import GrpcReceiver, attributes

from nilometer.export.contents import QUANTILES
from nilometer.export.server_metrics import REQUEST_DURATION
from nilometer.export.telemetry import METRICS
from nilometer.testing import eventually
from nilometer_collector.demo.outcome import BROKEN_SUMMARY

SECONDS = float(os.environ.get("NILOMETER_E2E_SECONDS", "30"))
SPARED = 1e-3  # of a stored digest's means, relative
SHOWN: list[tuple[str, str, str]] = []
pytestmark = pytest.mark.timeout(SECONDS + 2400)


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """What was compared, printed at the end."""
    yield
    width = [max(len(row[i]) for row in SHOWN) for i in (0, 1)] if SHOWN else [0, 0]
    print("\n" + "\n".join(f"{a:<{width[0]}}  {b:<{width[1]}}  {c}" for a, b, c in SHOWN))


@dataclass
class Comparison:
    """Every number of the replay that came out, with ours."""

    far_side: str
    received: Received
    truth: Stored

    def note(self, what: str, result: str) -> None:
        SHOWN.append((self.far_side, what, result))

    def whole(self, requests: int) -> None:
        """All of it."""
        assert self.received.resources == {"nilometer-agent", "nilometer-collector"}
        assert not self.received.resets
        self.counts(requests)
        self.service()
        self.features()
        self.windows()
        self.verdicts()
        self.own()

    def counts(self, requests: int) -> None:
        received, truth = self.received, self.truth
        assert requests == truth.service.count == received.total("nilometer.requests")
        for outcome, count in truth.service.outcomes.items():
            assert received.total("nilometer.requests", nilometer__outcome=outcome) == count
        for fate in ("profiled", "dropped", "undecodable"):
            told = received.total("nilometer.observations", nilometer__fate=fate)
            assert told == truth.fates[fate]
        self.note("requests by outcome, coverage", f"{requests} requests, {dict(truth.fates)}")

    def service(self) -> None:
        service = self.truth.service
        buckets = 0
        for name, histogram, total in (
            ("http.server.request.duration", service.latency, service.latency_sum),
            ("http.server.request.body.size", service.request_bytes, service.request_bytes_sum),
            ("http.server.response.body.size", service.response_bytes, service.response_bytes_sum),
        ):
            theirs, told = self.received.histogram(name)
            assert same_buckets(histogram, theirs), name
            assert told == pytest.approx(total, rel=1e-9)
            buckets += len(histogram.positive.counts)
        by_status = Counter[str]()
        for point in self.received.of("http.server.request.duration"):
            by_status[str(attributes(point)["http.response.status_code"])] += point.count
        assert by_status == Counter(service.statuses)
        self.note("service histograms", f"3 equal, {buckets} buckets, status {dict(by_status)}")

    def features(self) -> None:
        exact = estimated = values = 0
        for summary, feature in self.truth.features.items():
            numbers = feature.numbers
            if not numbers.count:
                continue
            theirs, told = self.received.histogram(
                "nilometer.feature.value", nilometer__summary=summary
            )
            assert theirs.count == numbers.count, summary
            values += numbers.count
            assert (told is None) == bool(theirs.negative.total), summary
            if told is not None:
                assert told == pytest.approx(numbers.moments.mean * numbers.count, rel=1e-9)
            if counted(numbers) is None:
                estimated += 1
            else:
                assert same_buckets(counted(numbers), theirs), summary
                exact += 1
        assert exact >= 1
        assert exact + estimated >= 3
        self.note("feature histograms", f"{exact} equal, {estimated} estimated, {values} values")

    def windows(self) -> None:
        quantiles = 0
        for summary, newest in self.truth.newest.items():
            for q in QUANTILES if newest.numbers.count else ():
                (point,) = self.received.of(
                    "nilometer.feature.quantile", nilometer__summary=summary, nilometer__quantile=q
                )
                # What is stored spares digits of the means; what is exported is not stored yet.
                expected = float(newest.numbers.digest.quantile(q))
                assert point.as_double == pytest.approx(expected, rel=SPARED), (summary, q)
                quantiles += 1
            told = self.received.of("nilometer.feature.missing", nilometer__summary=summary)
            shares = [newest.missing / newest.cells] if newest.cells else []
            assert [point.as_double for point in told] == shares, summary
        self.note("quantiles, missing of the newest window", f"{quantiles} equal")

    def verdicts(self) -> None:
        broken = {"nilometer__summary": BROKEN_SUMMARY}
        (drift,) = self.received.of("nilometer.evaluation.value", **broken)
        assert attributes(drift)["nilometer.alerter"] == "drift"
        assert drift.as_double > 0.25
        assert self.received.total("nilometer.evaluation.breach", **broken) == 1
        status = {**broken, "nilometer__status": "ALERTING"}
        assert self.received.total("nilometer.alert.status", **status) == 1
        self.note("drift of the broken feature", f"{drift.as_double:.3f}, ALERTING")

    def own(self) -> None:
        received = self.received
        known = {metric.name for metric in METRICS}
        own = ("nilometer.agent.", "nilometer.collector.")
        assert not {n for n in received.points if n not in known and not n.startswith(own)}
        for process in ("agent", "collector"):
            for lost in ("export_points_rejected", "export_failures", "series_overflowed"):
                assert received.total(f"nilometer.{process}.{lost}") == 0, (process, lost)
        points = f"{received.count} points, 0 rejected, {len(received.points)} metrics"
        self.note("received", points)


def settled(stack: Stack) -> None:
    """Let the last numbers go out; then agent and collector end in order."""
    time.sleep(3)
    stack.stop_one("nilometer_agent")
    stack.stop_one("nilometer_collector")


def test_rotel_hands_on_every_number(tmp_path: Path) -> None:
    receiver = GrpcReceiver()
    with rotel(tmp_path, f"127.0.0.1:{receiver.port}") as endpoint:
        stack = Stack(tmp_path / "stack", endpoint)
        try:
            answered = replayed(stack, SECONDS)
            settled(stack)
            time.sleep(1)
        finally:
            stack.stop()
    receiver.stop()
    truth = stored(stack.directory / "collector.db")
    Comparison("rotel", Received(receiver.requests), truth).whole(answered)


def test_the_opentelemetry_collector_and_prometheus_say_the_same(tmp_path: Path) -> None:
    binary, why = built_collector()
    if binary is None:
        SHOWN.append(("OpenTelemetry Collector", "skipped", why))
        pytest.skip(why)
    far_side = GoCollector(tmp_path)
    with far_side.running(binary, tmp_path):
        stack = Stack(tmp_path / "stack", far_side.url)
        targets = {
            "agent": stack.agent_metrics,
            "collector": stack.collector_metrics,
            "otelcol": far_side.prometheus,
        }
        prometheus = Prometheus(tmp_path, targets)
        try:
            if shutil.which("prometheus") is None:
                SHOWN.append(("Prometheus", "skipped", "not installed (Debian: prometheus)"))
                answered = replayed(stack, SECONDS)
            else:
                with prometheus.running():
                    answered = replayed(stack, SECONDS)
                    truth = stored(stack.directory / "collector.db")
                    ask(prometheus, truth, answered)
            settled(stack)
        finally:
            stack.stop()
    truth = stored(stack.directory / "collector.db")
    Comparison("OpenTelemetry Collector", Received(far_side.received()), truth).whole(answered)


def ask(prometheus: Prometheus, truth: Stored, requests: int) -> None:
    """PromQL on our names: direct scrapes, and scrapes of the OpenTelemetry Collector."""

    def note(what: str, result: str) -> None:
        SHOWN.append(("Prometheus", what, result))

    counted = "sum(nilometer_requests_total{job='%s'})"
    for job in ("agent", "otelcol"):
        eventually(lambda job=job: prometheus.ask(counted % job) == {(): requests})  # type: ignore[misc]
    note("requests, scraped and through OTLP", f"{requests} = {requests}")

    direct, forwarded = (
        {
            dict(labels)["__name__"]
            for labels in prometheus.ask(f"count by (__name__) ({{job='{job}'}})")
        }
        for job in ("agent", "otelcol")
    )
    ours = {
        metric.prometheus
        for metric in METRICS
        if metric.instrument.value != "histogram" and metric.prometheus in direct
    }
    assert ours <= forwarded, ours - forwarded
    note("names, scraped and through OTLP", f"{len(ours)} the same")

    worst = 0.0
    base = REQUEST_DURATION.prometheus
    for q in (0.5, 0.9, 0.99):
        mine = truth.service.latency.quantile(q)
        theirs = prometheus.one(
            f"histogram_quantile({q}, sum by (le) ({base}_bucket{{job='agent'}}))"
        )
        assert mine is not None
        worst = max(worst, abs(math.log2(theirs / mine)))
        assert worst <= 1.0, (
            q,
            mine,
            theirs,
        )  # buckets are powers of two: one bucket is a factor 2
    note("quantiles of duration", f"at most {worst:.2f} of a bucket from ours")

    # The OpenTelemetry Collector hands our exponential histograms on as native ones.
    native = f"sum({base}{{job='otelcol'}})"
    assert prometheus.one(f"histogram_count({native})") == requests
    assert prometheus.one(f"histogram_sum({native})") == pytest.approx(truth.service.latency_sum)
    for q in (0.5, 0.9, 0.99):
        mine = truth.service.latency.quantile(q)
        assert mine is not None
        theirs = prometheus.one(f"histogram_quantile({q}, {native})")
        assert abs(math.log2(theirs / mine)) <= 2.0 ** -min(truth.service.latency.scale, 8)
    note("native histogram through OTLP", "count, sum, quantiles inside one bucket of ours")

    worst = 0.0
    for summary, feature in truth.features.items():
        if not feature.numbers.count or feature.numbers.digest.min is None:
            continue
        for q in (0.25, 0.5, 0.9):
            mine = float(feature.numbers.digest.quantile(q))
            selector = f"{{job='agent',nilometer_summary='{summary}'}}"
            theirs = prometheus.one(
                f"histogram_quantile({q}, sum by (le) (nilometer_feature_value_bucket{selector}))"
            )
            edges = sorted(
                float(dict(labels)["le"])
                for labels in prometheus.ask(f"nilometer_feature_value_bucket{selector}")
            )
            bucket = [int(np.searchsorted(edges, value)) for value in (mine, theirs)]
            assert abs(bucket[0] - bucket[1]) <= 1, (summary, q, mine, theirs)
    note("quantiles of features", "inside one bucket of ours")

    failed = prometheus.one("nilometer:request_failures:ratio_rate5m")
    assert failed == truth.service.failures / truth.service.count
    alerting = prometheus.ask(
        "nilometer_alert_status{job='collector',nilometer_status='ALERTING'} == 1"
    )
    assert [dict(labels)["nilometer_summary"] for labels in alerting] == [BROKEN_SUMMARY]
    targets = httpx.get(f"{prometheus.url}/api/v1/targets", trust_env=False).json()["data"]
    assert {t["health"] for t in targets["activeTargets"]} == {"up"}
    note("recorded rules, alert status", f"answered; {BROKEN_SUMMARY} is ALERTING")
