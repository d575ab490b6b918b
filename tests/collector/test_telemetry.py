"""The collector's metrics, at its Prometheus port and over OTLP."""

import http.client
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from support.otlp_receiver import GrpcReceiver, attributes, metrics_of

from nilometer.alert import AlertStatus
from nilometer.testing import SteppedClock, eventually
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.server import Collector
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import Arrival, SampleRow, Shipment, Store
from nilometer_collector.store.sqlite import SqliteStore
from nilometer_collector.telemetry import CollectorExports
from nilometer_collector.testing import ENTITY, START_NS, an_evaluation, feature_sample
from nilometer_collector.watch.watchdog import Health

HEALTH = Health(is_up=False, progress_age_seconds=700.0, late=2)


def ask(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ship(store: Store, *content: object) -> None:
    arrivals = [Arrival(sequence=n, content=one) for n, one in enumerate(content, 1)]  # type: ignore[arg-type]
    store.ship(Shipment(agent="pod-1", epoch=b"e" * 16, oldest_held=0, arrivals=arrivals), START_NS)


def test_statuses_and_freshness_are_gauges(store: Store) -> None:
    clock = SteppedClock(wall_ns=START_NS + 90_000_000_000)
    sample = feature_sample([1.0, 2.0])
    ship(store, SampleRow.of(sample, b"-"), an_evaluation(0.9, 1))
    exports = CollectorExports(CollectorSettings(), store, Counters(), clock, lambda: HEALTH)
    families = {family.metric.name: family for family in exports.families()}
    told = {
        dict(point.attributes)["nilometer.status"]: point.value
        for point in families["nilometer.alert.status"].points
    }
    assert told == {status.value: int(status is AlertStatus.ALERTING) for status in AlertStatus}
    (age,) = families["nilometer.entity.data.age"].points
    assert (dict(age.attributes)["nilometer.entity"], age.value) == (ENTITY, 30.0)


def test_the_health_of_the_judgement_is_three_gauges(store: Store) -> None:
    exports = CollectorExports(
        CollectorSettings(), store, Counters(), SteppedClock(), lambda: HEALTH
    )
    told = {family.metric.prometheus: family.points[0].value for family in exports.families()}
    assert told["nilometer_up"] == 0
    assert told["nilometer_judgement_age_seconds"] == 700
    assert told["nilometer_judgement_late"] == 2


def test_rows_and_bytes_of_each_level_are_gauges(store: Store) -> None:
    sample = feature_sample([1.0, 2.0])
    ship(store, SampleRow.of(sample, b"12345"))
    exports = CollectorExports(
        CollectorSettings(), store, Counters(), SteppedClock(), lambda: HEALTH
    )
    told = {
        (family.metric.name, dict(point.attributes)["nilometer.level"]): point.value
        for family in exports.families()
        if family.metric.name.startswith("nilometer.store.")
        for point in family.points
        if point.attributes
    }
    assert told == {
        **{("nilometer.store.rows", level): 0 for level in ("5m", "1h", "1d", "predictions")},
        **{("nilometer.store.size", level): 0 for level in ("5m", "1h", "1d", "predictions")},
        **{("nilometer.store.stale", level): 0 for level in ("1h", "1d")},
        ("nilometer.store.rows", "shipped"): 1,
        ("nilometer.store.size", "shipped"): 5,
        ("nilometer.store.stale", "5m"): 1,
    }


def test_samples_that_wait_for_their_collection_are_gauges(store: Store) -> None:
    clock = SteppedClock(wall_ns=START_NS)
    exports = CollectorExports(CollectorSettings(), store, Counters(), clock, lambda: HEALTH)

    def told() -> tuple[float, float]:
        points = {family.metric.name: family.points for family in exports.families()}
        rows, age = (points[f"nilometer.store.uncollected{end}"] for end in ("", ".age"))
        return float(str(rows[0].value)), float(str(age[0].value))

    assert told() == (0, 0.0)
    ship(store, *[SampleRow.of(feature_sample([1.0]), b"-")] * 2)
    clock.step(90.0)
    before = told()
    collected = store.rollups.collect()  # 0 in SQLite, where shipments count at once
    assert before == (collected, 90.0 if collected else 0.0)
    assert collected == (0 if isinstance(store, SqliteStore) else 2)
    assert told() == (0, 0.0)


def test_over_the_limit_of_series_an_alert_is_still_exported_and_the_count_only_grows(
    store: Store,
) -> None:
    fine = [an_evaluation(0.0, 1, summary=f"input.f{n:04}") for n in range(900)]
    ship(store, *fine, an_evaluation(0.9, 1, summary="input.zzz"))
    counters = Counters()
    exports = CollectorExports(CollectorSettings(), store, counters, SteppedClock(), lambda: HEALTH)
    (family,) = [one for one in exports.families() if one.metric.name == "nilometer.alert.status"]
    alerting = [
        dict(point.attributes)["nilometer.summary"]
        for point in family.points
        if dict(point.attributes)["nilometer.status"] == "ALERTING" and point.value
    ]
    assert alerting == ["input.zzz"]
    assert len(family.points) == 2000
    first = counters.read()[Counter.SERIES_OVERFLOWED]
    exports.families()
    assert counters.read()[Counter.SERIES_OVERFLOWED] == 2 * first == 2 * (6 * 901 - 2000)


def test_the_port_and_otlp_tell_the_same(tmp_path: Path) -> None:
    receiver = GrpcReceiver()
    settings = CollectorSettings(
        database=str(tmp_path / "collector.db"),
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        otlp_endpoint=receiver.url,
        otlp_interval_seconds=0.1,
    )
    collector = Collector(settings)
    collector.start()
    try:
        assert collector.exports is not None
        server = collector.exports.server
        assert server is not None
        assert ask(server.port, "/readyz") == (200, "ready\n")
        status, body = ask(server.port, "/metrics")
        assert status == 200
        read = {family.name: family for family in text_string_to_metric_families(body)}
        (stored,) = read["nilometer_collector_rows_stored"].samples
        assert (stored.name, stored.value) == ("nilometer_collector_rows_stored_total", 0.0)
        told = read["target_info"].samples[0].labels
        assert told["service_name"] == "nilometer-collector"
        request = eventually(lambda: receiver.requests)[-1]
        assert "nilometer.collector.rows_stored" in metrics_of(request)
        assert (
            attributes(request.resource_metrics[0].resource)["service.name"] == told["service_name"]
        )
    finally:
        collector.stop()
        receiver.stop()
