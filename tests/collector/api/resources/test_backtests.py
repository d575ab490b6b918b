"""Backtests over HTTP: what would have fired, against incidents, without a change."""

from typing import Any

import pytest
from support.problems import is_problem

from nilometer_collector.testing import ENTITY, START_NS, Running, feature_sample, minute

START = START_NS / 1e9
MEAN: dict[str, Any] = {
    "entity": ENTITY,
    "name": "mean",
    "summary": "input.amount",
    "kind": "FIXED",
    "statistic": "mean",
    "threshold": 2.0,
    "minimum_count": 1,
}
VALUES = (1.0, 9.0, 9.0, 1.0, 1.0, 9.0, 1.0)


@pytest.fixture
def filled(served: Running) -> Running:
    samples = [feature_sample([value], window=minute(at)) for at, value in enumerate(VALUES)]
    served.sender().ship(*samples)
    return served


def run(served: Running, **body: Any) -> Any:
    given = {"end": START + 600, "seconds": 600, **body}
    answer = served.http.post("/api/v1/backtests", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_alerters_of_the_body_are_replayed_against_incidents(filled: Running) -> None:
    marks = [
        {"start": START + 60, "end": START + 180, "name": "deploy"},
        {"start": START + 250, "end": START + 290, "name": "quiet"},
        {"start": START + 7000, "end": START + 7001, "name": "later"},
    ]
    found = run(filled, alerters=[MEAN], incidents=marks)
    assert (found["start"], found["end"]) == (START, START + 600)
    (replay,) = found["alerters"]
    assert (replay["entity"], replay["alerter"], replay["kind"]) == (ENTITY, "mean", "FIXED")
    assert (replay["episodes"], replay["messages"], replay["judged"]) == (2, 4, 7)
    assert replay["window_seconds"] == 60.0
    assert replay["open_seconds"] == 180.0
    assert replay["score"] == {
        "found": [{"name": "deploy", "delay": 60.0}],
        "missed": ["quiet"],
        "outside": ["later"],
        "false_alarms": 1,
    }
    first, second = replay["firings"]
    assert (first["since"], first["opened"], first["closed"]) == (
        START + 60,
        START + 120,
        START + 240,
    )
    assert (first["worst"], first["incidents"], second["incidents"]) == (9.0, ["deploy"], [])
    assert filled.get("episodes") == {"episodes": []}
    assert filled.get("alerters") == {"alerters": []}


def test_without_alerters_those_of_today_are_tested(filled: Running) -> None:
    filled.put_alerter(MEAN).raise_for_status()
    found = run(filled)
    assert [(one["alerter"], one["episodes"]) for one in found["alerters"]] == [
        ("mean", 2),
        ("default", 0),
    ]
    assert [one["alerter"] for one in run(filled, entity=ENTITY)["alerters"]] == ["mean", "default"]
    (default,) = run(filled, watch=[{"budget_days": 90}])["alerters"]
    assert (default["kind"], default["score"]) == ("CALIBRATED", None)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"alerters": [{**MEAN, "threshold": "x"}]}, 422, "alerters[0].threshold"),
        ({"alerters": [{**MEAN, "kind": "NONE"}]}, 422, "kind"),
        ({"alerters": [MEAN] * 101}, 422, "alerters"),
        ({"entity": "nobody"}, 404, ""),
        ({"seconds": 1}, 422, "seconds"),
        ({"last": "30d"}, 422, "last"),
        ({"incidents": [{"start": 2, "end": 1, "name": "x"}]}, 422, "incidents[0].end"),
        ({"watch": [{"time_zone": "Mars/Olympus"}]}, 422, "time_zone"),
    ],
)
def test_what_is_wrong_is_named(
    served: Running, body: dict[str, Any], status: int, field: str
) -> None:
    answer = served.http.post("/api/v1/backtests", json=body)
    is_problem(answer, status)
    assert answer.json().get("field", "") == field
