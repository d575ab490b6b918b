"""References of stored windows over HTTP: made, warned about, recorded, and refused."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from support.problems import ALERTER, is_problem

from nilometer.batch.reference_upload import put_reference
from nilometer.testing import amounts
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    feature_sample,
    minute,
    service_sample,
)

WEEK = {"entity": ENTITY, "name": "week", "end": START_NS / 1e9 + 3600}


def make(served: Running, *, dry_run: bool = False, **changes: object) -> httpx.Response:
    parameters = {"dry_run": "true"} if dry_run else {}
    return served.http.post("/api/v1/references", json=WEEK | changes, params=parameters)


def made(served: Running, **changes: Any) -> dict[str, Any]:
    answer = make(served, **changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_reference_of_windows_is_current_and_recorded(served: Running) -> None:
    served.sender().ship(
        feature_sample(amounts(300), labels={"version": "1"}),
        feature_sample(amounts(400), window=minute(1), labels={"version": "2"}),
        service_sample([0.1]),
    )
    found = made(served)
    assert found["columns"] == [{"summary": "input.amount", "count": 700}]
    assert found["warnings"] == []
    (current,) = served.get("references")["references"]
    assert current == found["reference"]
    (revision,) = served.get("changes")["revisions"]
    assert (revision["author"], revision["origin"]) == ("local", "api")
    samples = served.get("samples", entity=ENTITY, summary="input.amount", reference="week")
    assert samples["samples"][0]["psi"] == pytest.approx(0.0, abs=0.05)


def test_a_small_reference_says_how_large_it_should_be(served: Running) -> None:
    served.sender().ship(feature_sample(amounts(20)))
    (warning,) = made(served, summaries=["input.*"])["warnings"]
    assert "20 values, too few for" in warning
    assert "psi, " in warning
    assert warning.endswith("use at least 500")


def test_a_dry_run_stores_nothing(served: Running) -> None:
    served.sender().ship(feature_sample(amounts(20)))
    assert made(served, dry_run=True)["dry_run"]
    assert served.get("references")["references"] == []
    assert served.get("changes")["revisions"] == []


def test_a_reference_stays_while_an_alerter_compares_with_it(served: Running) -> None:
    served.sender().ship(feature_sample(amounts(20)))
    made(served)
    served.put_alerter({**ALERTER, "reference": "week"}).raise_for_status()
    week = {"kind": "reference", "entity": ENTITY, "name": "week"}
    problem = is_problem(served.http.delete("/api/v1/objects", params=week), 409)
    assert "reference 'week' of fraud-scorer is needed by alerter 'drift'" in problem.detail
    assert len(served.get("references")["references"]) == 1
    served.http.delete("/api/v1/alerters", params={"entity": ENTITY, "name": "drift"})
    assert served.http.delete("/api/v1/objects", params=week).status_code == 204
    assert served.get("references")["references"] == []


def test_windows_that_were_counted_on_other_edges_are_marked(served: Running) -> None:
    reference = a_reference({"input.amount": amounts(200)})
    put_reference(reference, served.collector.grpc_target)
    edges = reference.columns["input.amount"].edges
    served.sender().ship(
        feature_sample(amounts(200)),
        feature_sample(amounts(200), window=minute(1), edges=edges),
    )
    asked = {"entity": ENTITY, "summary": "input.amount", "reference": "training"}
    windows = served.get("samples", **asked)["samples"]
    assert [one["distances"]["psi"]["rebinned"] for one in windows] == [True, False]


@pytest.mark.parametrize(
    ("changes", "status", "field", "detail"),
    [
        ({"seconds": 0}, 422, "seconds", ""),
        ({"end": -1}, 422, "end", ""),
        ({"name": "learned"}, 422, "name", ""),
        ({"end": 100}, 404, None, "no window of a feature matches"),
        ({"name": "a\0b"}, 422, "name", ""),
        ({"labels": {"version": []}}, 422, "labels", ""),
        ({"labels": {"version": ["2"]}}, 404, None, "no window of a feature matches"),
        ({"summaries": ["input.nothing"]}, 404, None, "no summary 'input.nothing'"),
        ({"entity": "nobody"}, 404, None, "has no data"),
        ({"columns": []}, 422, "columns", ""),
    ],
)
def test_what_cannot_be_made_is_refused_and_changes_nothing(
    served: Running, changes: dict[str, Any], status: int, field: str | None, detail: str
) -> None:
    served.sender().ship(feature_sample(amounts(20), labels={"version": "1"}))
    answer = make(served, **changes)
    problem = is_problem(answer, status)
    assert detail in problem.detail
    if field is not None:
        assert str(problem.field).startswith(field)
    assert served.get("references")["references"] == []


def test_a_version_that_two_references_have_is_read_by_its_name(served: Running) -> None:
    first = a_reference({"input.amount": [1.0, 2.0]})
    put_reference(first, served.collector.grpc_target)
    golden = replace(first, name="golden")
    put_reference(golden, served.collector.grpc_target, expires_ns=4_070_908_800 * 10**9)
    other = replace(a_reference({"input.amount": [3.0]}), name="golden")
    put_reference(other, served.collector.grpc_target)
    told = [
        served.get("references/version", entity=ENTITY, reference=first.digest, name=name)
        for name in ("training", "golden")
    ]
    shown = [(one["reference"]["name"], one["reference"]["current"]) for one in told]
    assert shown == [("training", True), ("golden", False)]
    assert [one["reference"]["expires"] for one in told] == [None, 4_070_908_800]


def test_a_version_has_its_columns_its_expiry_and_warnings(served: Running) -> None:
    reference = a_reference(
        {"input.amount": [1.0, 2.0], "input.more": list(map(float, range(900)))}
    )
    put_reference(reference, served.collector.grpc_target, expires_ns=4_070_908_800 * 10**9)
    for word in ("training", reference.digest):
        found = served.get("references/version", entity=ENTITY, reference=word)
        assert found["reference"]["expires"] == 4_070_908_800
        assert [(one["summary"], one["count"]) for one in found["columns"]] == [
            ("input.amount", 2),
            ("input.more", 900),
        ]
        (warning,) = found["warnings"]
        assert warning.startswith("input.amount has 2 values, too few")
    compared = {"entity": ENTITY, "reference": "training", "other": reference.digest}
    assert served.get("references/comparison", **compared)["other"]["expires"] == 4_070_908_800
    params = {"entity": ENTITY, "reference": "nothing"}
    answer = served.http.get("/api/v1/references/version", params=params)
    assert (answer.status_code, "no version 'nothing'" in answer.text) == (404, True)
