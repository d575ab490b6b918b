"""A job's own measurements reach the collector once, and a refused one is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nilometer.batch import sample_log
from nilometer.batch.sample_log import (
    Logged,
    SampleLog,
    categories,
    confusion_matrix,
    distribution,
    line,
    matrix,
    number,
    performance,
    score_histogram,
    string,
    table,
)
from nilometer.profile.performance import Ranking, Regression, RowMetrics, binary
from nilometer.values.errors import BatchRejected, CollectorUnavailable
from nilometer.wire.services import ShipReply, ShipRequest
from nilometer_collector.testing import ENTITY, running

WHERE: dict[str, Any] = {"start": 1_700_000_400.0, "seconds": 300.0}
CONTENTS: dict[str, Logged] = {
    "number": number(1),
    "string": string("v7"),
    "categories": categories({"a": 2}),
    "distribution": distribution([1.0, 2.0]),
    "table": table(["k", "v"], [["a", 1]]),
    "matrix": matrix([[1, 2]]),
    "line": line([(0, 1)]),
    "confusion_matrix": confusion_matrix(["a"], [[1]]),
    "score_histogram": score_histogram([0.5], ["1"]),
    "classification": performance(binary([0.5], ["1"])),
    "regression": performance(Regression.of([1.0], [1.5])),
    "ranking": performance(Ranking.of([[0, 1]])),
    "row_metrics": performance(RowMetrics()),
}


def test_every_type_arrives_as_what_it_is_and_a_refused_one_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served:
        target = served.collector.grpc_target
        with SampleLog(target, ENTITY) as log:
            for name, content in CONTENTS.items():
                log.put(name, content, **WHERE)
        listed = served.get("summaries", entity=ENTITY)["summaries"]
        assert {one["name"]: one["logged"]["data_type"] for one in listed} == {
            f"logged.{name}": name for name in CONTENTS
        }
        with SampleLog(target, ENTITY) as log:
            log.put("number", string("x"), **WHERE)
            log.put("number", number(3), **WHERE)
            with pytest.raises(BatchRejected, match=r"logged\.number: Conflict: content\.type"):
                log.send()
        (sample,) = served.get("samples", entity=ENTITY, summary="logged.number")["samples"]
        assert (sample["logged"]["value"], sample["logged"]["count"]) == (3.0, 2)


def test_a_window_is_the_same_over_both_ways(tmp_path: Path) -> None:
    window: dict[str, Any] = {"start": 1_700_000_400.0004, "seconds": 2.0004}
    logged = {"entity": ENTITY, "summary": "logged.n", "content": {"type": "number", "value": 1}}
    with running(tmp_path / "collector.db") as served:
        with SampleLog(served.collector.grpc_target, ENTITY) as log:
            log.put("n", number(1), **window)
        body = {"samples": [{**logged, **window}]}
        served.http.post("/api/v1/samples", json=body).raise_for_status()
        (sample,) = served.get("samples", entity=ENTITY, summary="logged.n")["samples"]
        assert sample["logged"]["count"] == 2


class Collector:
    """A collector that may be away, or refuse all calls. It keeps the values that it received."""

    error: Exception | None = None

    def __init__(self) -> None:
        self.received: list[list[int]] = []
        self.stub = SimpleNamespace(Ship=None)

    def call(self, method: object, request: ShipRequest, what: str) -> ShipReply:
        if self.error is not None:
            raise self.error
        self.received.append([row.sequence for row in request.rows])
        return ShipReply()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    made = Collector()

    @contextmanager
    def calls_to(*_: object) -> Iterator[Collector]:
        yield made

    monkeypatch.setattr(sample_log, "calls_to", calls_to)
    monkeypatch.setattr(sample_log, "MAX_ROWS", 2)
    return made


def test_samples_wait_for_a_collector_that_is_away_and_are_sent_once(collector: Collector) -> None:
    with SampleLog("collector:1", ENTITY) as log:
        collector.error = CollectorUnavailable("away")
        log.put("n", number(1), **WHERE)
        log.put("n", number(2), **WHERE)
        for _ in range(3):
            with pytest.raises(CollectorUnavailable):
                log.put("n", number(3), **WHERE)
        collector.error = None
        log.put("n", number(3), **WHERE)
    assert collector.received == [[1, 2], [3]]


def test_samples_that_are_refused_together_do_not_hold_up_others(collector: Collector) -> None:
    with SampleLog("collector:1", ENTITY) as log:
        log.put("n", number(1), **WHERE)
        log.put("n", number(2), **WHERE)
        collector.error = BatchRejected("no rights")
        with pytest.raises(BatchRejected):
            log.put("n", number(3), **WHERE)
        collector.error = None
    assert collector.received == [[3]]


def test_a_call_stays_below_the_limit_of_messages(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_log, "MAX_BYTES", 1500)
    with SampleLog("collector:1", ENTITY) as log:
        log.put("s", string("x" * 1000), **WHERE)
        log.put("s", string("x" * 1000), **WHERE)
        with pytest.raises(ValueError, match="must be at most 1500"):
            log.put("s", string("x" * 1500), **WHERE)
    assert collector.received == [[1], [2]]
