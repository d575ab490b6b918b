"""Ground truth over HTTP: counted once, refused rows by reason, and how much has arrived."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.predicted import a_prediction, log_predictions

from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store import open_store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    feature_sample,
    minute,
    running,
)

COUNT = 120  # predictions, one a second
PERFORMANCE = {"entity": ENTITY, "task": "binary", "score": "score", "step_seconds": 300}
START = START_NS // NANOSECONDS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    """A collector with logged predictions, without a declared performance."""
    path = tmp_path / "collector.db"
    store = open_store(path, "")
    records = [
        a_prediction(
            f"id-{at}",
            time_ns=START_NS + at * NANOSECONDS,
            outputs={"score": at / COUNT},
            subject=f"customer-{at}",
        )
        for at in range(COUNT)
    ]
    log_predictions(store, records)
    store.close()
    clock = SteppedClock()
    clock.wall_ns = START_NS + 600 * NANOSECONDS
    with running(path, clock) as found:
        yield found


def declare(served: Running, **fields: object) -> httpx.Response:
    """Declare the performance, with *fields* in place of the usual ones."""
    entity = {"name": ENTITY, "time_zone": "Asia/Tokyo"}
    document = {"version": 1, "entities": [entity], "performance": [{**PERFORMANCE, **fields}]}
    return served.http.post("/api/v1/apply", json=document)


def put(served: Running, rows: object, **more: object) -> httpx.Response:
    """Send rows of ground truth."""
    return served.http.post("/api/v1/ground-truth", json={"entity": ENTITY, "rows": rows, **more})


def test_ground_truth_needs_a_declared_performance(served: Running) -> None:
    refused = put(served, [{"id": "id-1", "value": 1}])
    assert refused.status_code == 409
    assert "nilometer apply" in refused.json()["detail"]


def test_each_row_is_counted_by_what_became_of_it(served: Running) -> None:
    declare(served, classes=["0", "1"]).raise_for_status()
    rows = [
        {"id": "id-1", "value": True},
        {"id": "id-1", "value": "1"},
        {"id": "id-2", "value": 0, "known": "2023-11-15T00:00:00"},
        {"id": "id-2", "value": 1, "known": "2023-11-14T00:00:00"},
        {"id": "id-3", "value": 1},
        {"id": "id-3", "value": 0},
        {"id": "missing", "value": 1},
        {"id": "id-4", "value": "fraud"},
        {"id": "id-4", "value": [1.0]},
        {"id": "id-4", "value": None},
        {"id": "id-4", "value": 1, "known": "yesterday"},
        {"value": 1},
        {"id": "x" * 257, "value": 1},
        {"id": "a\u0000b", "value": 1},
        {"id": "id-4", "row": -1, "value": 1},
    ]
    answer = put(served, rows, source="ab" * 16, chunk=1, position=77)
    answer.raise_for_status()
    counts = {
        "joined": 3,
        "repeated": 1,
        "waiting": 1,
        "outdated": 1,
        "contradictory": 1,
        "wrong_type": 1,
        "wrong_class": 1,
        "malformed": 6,
    }
    assert answer.json() == {"rows": 15, "repeated": False, "counts": counts}
    again = put(served, rows, source="ab" * 16, chunk=1, position=77).json()
    assert again == {"rows": 15, "repeated": True, "counts": counts}
    found = served.get("ground-truth", entity=ENTITY, source="ab" * 16)
    assert found["source"] == {"chunks": 1, "position": 77, "counts": counts}
    del counts["waiting"]
    assert (found["counts"], found["waiting"]) == (counts, 1)


def test_a_time_without_a_zone_is_in_the_zone_of_the_entity(served: Running) -> None:
    declare(served, within_seconds=1).raise_for_status()
    rows = [{"subject": "customer-5", "time": "2023-11-15T07:14:05", "value": 1}]  # UTC+9
    assert START == 1_700_000_040
    assert put(served, rows).json()["counts"] == {"joined": 1}


def test_joined_predictions_are_samples_of_performance(served: Running) -> None:
    declare(served).raise_for_status()
    put(served, [{"id": f"id-{at}", "value": int(at >= 60)} for at in range(COUNT)])
    found = served.get("samples", entity=ENTITY, summary="performance", step=300)
    performance = [one["performance"] for one in found["samples"]]
    assert sum(one["count"] for one in performance) == COUNT
    assert performance[0]["metrics"]["accuracy_ratio"]["value"] == 1.0


def test_maturity_compares_what_arrived_with_all_predictions(served: Running) -> None:
    prices = [{"predicted": "1", "truth": "1", "value": 2.0}]
    declare(served, values=prices, value_unit="EUR").raise_for_status()
    served.sender().ship(
        *(feature_sample([0.5] * 60, summary="output.score", window=minute(at)) for at in (0, 1))
    )
    rows = [{"id": f"id-{at}", "value": 1, "known": START + at + 8} for at in range(0, COUNT, 2)]
    put(served, rows)
    found = served.get("maturity", entity=ENTITY)
    assert found["step"] == 300
    windows = found["windows"]
    assert sum(one["labelled"] for one in windows) == 60
    assert sum(one["predictions"] for one in windows) == COUNT
    assert {one["share"] for one in windows} == {0.5}
    assert found["lags"]["p50"] == pytest.approx(8, rel=0.2)
    assert windows[0]["why"] or windows[0]["mature"]
    assert windows[0]["value_per_row"]["value"] is not None
    assert found["value_unit"] == "EUR"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"score": ""}, "score"),
        ({"step_seconds": 700}, "step_seconds"),
        ({"task": "regression", "predicted": "y"}, "score"),
        ({"negative": "1"}, "negative"),
        ({"scores": {"a": "x"}}, "scores"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"task": "sorting"}, "task"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused_with_its_place(
    served: Running, fields: dict[str, object], place: str
) -> None:
    refused = declare(served, **fields)
    assert refused.status_code == 422
    assert refused.json()["field"] == f"performance[0].{place}"
