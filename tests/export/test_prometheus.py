"""What Prometheus reads: exact counts, clean to promtool, and nothing more than asked."""

import http.client
import math
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from support.holding import FOR_EVER

from nilometer.export import listen
from nilometer.export.exports import host_and_port
from nilometer.export.listen import MAX_CONNECTIONS, MetricsServer
from nilometer.export.metric import Instrument
from nilometer.export.prometheus import HIGHEST, LOWEST, classic_buckets, exposition
from nilometer.export.series import Binned, Distribution, Exemplar, Family, Point, attributes_of
from nilometer.export.server_metrics import REQUEST_DURATION
from nilometer.export.telemetry import FEATURE_VALUE, METRICS, PROBABILITIES, SCORE_VALUE
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.errors import ConfigError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
# What one histogram of 160 buckets holds with every power of two among its bounds.
MAGNITUDES = st.floats(min_value=2.0**-70, max_value=2.0**70)
NUMBERS = st.one_of(st.just(0.0), MAGNITUDES, MAGNITUDES.map(lambda value: -value))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def distribution(values: list[float]) -> Distribution:
    array = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        return Distribution(ExponentialHistogram.of(array), float(array.sum()))


def every_metric() -> list[Family]:
    at = attributes_of({"nilometer.entity": 'a"b\\c\nd', "nilometer.label.region": "eu"})
    return [
        Family(
            metric,
            (
                Point(at, distribution([0.001, 0.25, 3.0, 1e6]))
                if metric.instrument is Instrument.HISTOGRAM
                else Point(at, 0.25),
            ),
        )
        for metric in METRICS
    ]


@given(st.lists(FINITE, max_size=80))
def test_no_values_make_counts_that_fall(values: list[float]) -> None:
    counts = [count for _, count in classic_buckets(FEATURE_VALUE, distribution(values))]
    assert counts == sorted(counts)
    assert counts[-1] == len(values)


@given(st.lists(NUMBERS, max_size=80))
def test_the_count_up_to_a_bound_is_the_count_of_the_values(values: list[float]) -> None:
    buckets = classic_buckets(FEATURE_VALUE, distribution(values))
    bounds = [bound for bound, _ in buckets]
    assert bounds == sorted(set(bounds))
    assert bounds[-1] == math.inf
    assert len(buckets) <= 2 * (HIGHEST - LOWEST + 1) + 2
    for bound, count in buckets:
        # At negative powers of two the exponential bucket is open: one such value may stand above.
        low = (
            sum(value < bound for value in values)
            if bound < 0
            else sum(value <= bound for value in values)
        )
        assert count == low


@given(st.lists(st.floats(min_value=1e-9, max_value=1e9), min_size=1, max_size=80))
def test_the_bounds_of_the_table_hold_exact_counts(values: list[float]) -> None:
    buckets = classic_buckets(REQUEST_DURATION, distribution(values))
    assert [bound for bound, _ in buckets[:-1]] == [2.0**k for k in REQUEST_DURATION.bounds]
    for bound, count in buckets:
        assert count == sum(value <= bound for value in values)


@pytest.mark.parametrize("seconds", [0.001, 0.7, 5.0, 150.0, 1000.0, 3 * 3600.0])
def test_a_quantile_of_a_latency_is_within_a_factor_of_two_up_to_hours(seconds: float) -> None:
    buckets = dict(classic_buckets(REQUEST_DURATION, distribution([seconds] * 100)))
    holds_all = min(bound for bound, count in buckets.items() if count == 100)
    assert seconds <= holds_all <= 2 * seconds


def test_every_bound_of_a_feature_is_on_one_ladder_up_to_its_end() -> None:
    for values in ([3.0, 5.0], [-7.0], [0.0], [1e-30, 1e30], [-1e30, 2.0]):
        bounds = [bound for bound, _ in classic_buckets(FEATURE_VALUE, distribution(values))]
        positive = [math.log2(bound) for bound in bounds if 0 < bound < math.inf]
        assert positive == list(range(int(positive[0]), HIGHEST + 1))
        assert positive[0] >= LOWEST
        assert positive[0] == LOWEST or bounds[0] > 0


@given(first=st.lists(NUMBERS, min_size=1), second=st.lists(NUMBERS, min_size=1))
def test_the_buckets_of_two_pods_add_up(first: list[float], second: list[float]) -> None:
    """As `sum by (le)` does: a bound that a pod leaves out counts nothing."""
    summed: dict[float, int] = {}
    for values in (first, second):
        for bound, count in classic_buckets(FEATURE_VALUE, distribution(values)):
            summed[bound] = summed.get(bound, 0) + count
    counts = [summed[bound] for bound in sorted(summed)]
    assert counts == sorted(counts)
    whole = dict(classic_buckets(FEATURE_VALUE, distribution([*first, *second])))
    assert summed == whole


@given(first=st.lists(NUMBERS, min_size=1), more=st.lists(NUMBERS, min_size=1))
def test_a_bound_stays_and_its_count_never_falls(first: list[float], more: list[float]) -> None:
    before = dict(classic_buckets(FEATURE_VALUE, distribution(first)))
    after = dict(classic_buckets(FEATURE_VALUE, distribution([*first, *more])))
    assert all(after[bound] >= count for bound, count in before.items())


def test_a_scrape_of_every_metric_is_read_back() -> None:
    body, content_type = exposition(every_metric(), {"service.name": "nilometer-agent"})
    assert content_type.startswith("text/plain")
    families = text_string_to_metric_families(body.decode())
    read = {family.name: family for family in families}
    for metric in METRICS:
        name = metric.prometheus.removesuffix("_total")
        assert name in read, name
        assert read[name].documentation == metric.about
    labels = read["nilometer_requests"].samples[0].labels
    assert labels == {"nilometer_entity": 'a"b\\c\nd', "nilometer_label_region": "eu"}
    assert read["target_info"].samples[0].labels == {"service_name": "nilometer-agent"}


def test_a_feature_with_negative_values_is_sound_in_both_formats() -> None:
    at = attributes_of({"nilometer.entity": "a"})
    value = Distribution(ExponentialHistogram.of(np.array([-1.0, 2.0])), None)
    families = [Family(FEATURE_VALUE, (Point(at, value),))]
    strict, media = exposition(families, {}, "application/openmetrics-text; version=1.0.0")
    assert "openmetrics" in media
    read = openmetrics(strict.decode())  # type: ignore[no-untyped-call]  # of prometheus_client
    names = {sample.name for one in read for sample in one.samples}
    assert names == {"nilometer_feature_value_bucket", "target_info"}
    plain = exposition(families, {})[0].decode()
    assert 'nilometer_feature_value_count{nilometer_entity="a"} 2.0' in plain


def test_attributes_whose_names_become_one_or_none_break_no_scrape() -> None:
    resource = {"team.name": "x", "team-name": "y", "\u65e5\u672c": "1", "9x": "2", "host": "h"}
    text = exposition([], resource)[0].decode()
    (family,) = text_string_to_metric_families(text)
    (sample,) = family.samples
    assert sample.labels == {"team_name": "y;x", "_9x": "2", "host": "h"}


def test_exemplars_stand_in_openmetrics_on_their_bucket() -> None:
    exemplar = Exemplar.of(0.25, 1_700_000_000_000_000_000, TRACE)
    assert exemplar is not None
    held = distribution([0.25, 3.0])
    held = Distribution(held.histogram, held.sum, Distribution.keyed([exemplar]))
    family = Family(REQUEST_DURATION, (Point((), held),))
    body, content_type = exposition([family], {}, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    found = [
        sample
        for read in openmetrics(body.decode())  # type: ignore[no-untyped-call]
        for sample in read.samples
        if sample.exemplar is not None
    ]
    (sample,) = found
    assert sample.labels["le"] == "0.25"
    assert sample.exemplar is not None
    assert sample.exemplar.labels["trace_id"] == TRACE.split("-")[1]


def test_counts_on_edges_add_up_to_each_bound() -> None:
    counts = tuple(range(len(PROBABILITIES) + 1))
    family = Family(SCORE_VALUE, (Point((), Binned(PROBABILITIES, counts, 12.5)),))
    body, _ = exposition([family], {})
    (read,) = [
        one
        for one in text_string_to_metric_families(body.decode())
        if one.name == "nilometer_score_value"
    ]
    buckets = [(s.labels["le"], s.value) for s in read.samples if s.name.endswith("_bucket")]
    assert buckets[:2] == [("0.01", 0.0), ("0.05", 1.0)]
    assert buckets[-1] == ("+Inf", sum(counts))
    assert [s.value for s in read.samples[-2:]] == [12.5, sum(counts)]


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    families = every_metric()
    families.append(
        Family(FEATURE_VALUE, (Point(attributes_of({"n": 1}), distribution([-1.0, 2.0])),))
    )
    body, _ = exposition(families[:-1], {"service.name": "a"})
    for text in (body, exposition(families[-1:], {"service.name": "a"})[0]):
        finished = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, check=False
        )
        assert (finished.returncode, finished.stderr.decode(), finished.stdout.decode()) == (
            0,
            "",
            "",
        )


class Port:
    def __init__(self, gather: Callable[[], list[Family]] = every_metric) -> None:
        self.ready = self.alive = True
        self.server = MetricsServer(
            ("127.0.0.1", 0), gather, {}, lambda: self.ready, lambda: self.alive
        )
        self.server.start()

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def test_the_port_tells_metrics_and_health() -> None:
    port = Port()
    status, body = port.ask("/metrics?x=1")
    assert status == 200
    assert b"http_server_request_duration_seconds_bucket" in body
    assert port.ask("/metrics", "HEAD")[1] == b""
    assert port.ask("/livez")[0] == port.ask("/readyz")[0] == port.ask("/startupz")[0] == 200
    port.ready = False
    assert (port.ask("/livez")[0], port.ask("/readyz")[0]) == (200, 503)
    assert port.ask("/etc/passwd")[0] == 404
    assert port.ask("/metrics", "POST")[0] == 501
    port.server.stop()
    port.server.stop()


def test_nobody_holds_the_port_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of one byte now and then: probes are answered, and the end does not wait."""
    monkeypatch.setattr(listen, "TURN_SECONDS", FOR_EVER)
    monkeypatch.setattr(listen, "STOP_SECONDS", FOR_EVER)
    port = Port()
    slow = [
        socket.create_connection(("127.0.0.1", port.server.port))
        for _ in range(MAX_CONNECTIONS * 3)
    ]
    try:
        for one in slow:
            with suppress(OSError):  # those that have been there for longest are let go
                one.sendall(b"G")
        assert port.ask("/livez")[0] == 200
    finally:
        port.server.stop()
        for one in slow:
            one.close()


def test_a_request_has_a_time_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "TURN_SECONDS", 0.5)
    port = Port()
    with socket.create_connection(("127.0.0.1", port.server.port)) as slow:
        slow.settimeout(60.0)
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        assert slow.recv(1) == b""
    port.server.stop()


def test_alive_is_what_the_process_says() -> None:
    port = Port()
    assert port.ask("/livez") == (200, b"alive\n")
    port.alive = False
    assert port.ask("/livez") == (503, b"not alive\n")
    port.server.stop()


def test_a_scrape_that_fails_is_an_answer_and_the_next_one_works() -> None:
    broken = True

    def gather() -> list[Family]:
        if broken:
            raise RuntimeError("told to")
        return []

    port = Port(gather)
    assert port.ask("/metrics")[0] == 500
    broken = False
    assert port.ask("/metrics")[0] == 200
    port.server.stop()


@pytest.mark.parametrize(
    "text", ["", "9464", "host:", "host:x", "host:65536", ":-1", f"host:{'9' * 5000}"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="metrics_address"):
        host_and_port(text)


def test_addresses_are_read() -> None:
    assert host_and_port("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert host_and_port("[::1]:9464") == ("::1", 9464)
    assert host_and_port(":9464")[0] in {"::", "0.0.0.0"}


def test_a_port_that_is_taken_stops_the_start() -> None:
    port = Port()
    with pytest.raises(ConfigError, match="cannot be bound"):
        MetricsServer(("127.0.0.1", port.server.port), list, {}, lambda: True)
    port.server.stop()
