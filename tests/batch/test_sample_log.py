"""A job's own measurements reach the collector once, and a refused one is named."""

from pathlib import Path
from typing import Any

import pytest

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
from nilometer.testing import SteppedClock
from nilometer.values.errors import BatchRejected
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
    with running(tmp_path / "collector.db", SteppedClock()) as served:
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
