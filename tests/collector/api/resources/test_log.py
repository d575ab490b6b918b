"""Samples that users log: stored once, merged by their aggregation, shown, compared, refused by row."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.problems import is_problem

from nilometer.testing import SteppedClock
from nilometer_collector.testing import ENTITY, Running, running

START = 1_700_000_400  # a whole multiple of five minutes
SOURCE = "5" * 32
NUMBER = {"type": "number", "value": 1.5}
CONTENTS: list[dict[str, Any]] = [
    NUMBER,
    {"type": "string", "value": "v7 — canary"},
    {"type": "categories", "counts": {"cash": 150, "card": 50}},
    {"type": "distribution", "values": [1, 2.5, -3e100, 0] * 50},
    {"type": "table", "columns": ["segment", "auc"], "rows": [["eu", 0.9], [None, None]]},
    {"type": "matrix", "rows": [[1, 0.5], [0.5, 1]]},
    {"type": "line", "points": [[0, 0.1], [1, 0.9]]},
    {"type": "confusion_matrix", "labels": ["no", "yes"], "counts": [[8, 1], [0, 2]]},
    {"type": "score_histogram", "scores": [0.1, 0.9], "truth": ["0", "0"]},
    {"type": "classification", "truth": ["1", "0", "1", None], "scores": [0.9, 0.2, None, 0.4]},
    {"type": "classification", "truth": ["cat", "dog"], "predicted": ["cat", None]},
    {"type": "regression", "truth": [1, 2, None] * 100, "predicted": [1.5, 2, 3] * 100},
]


def row(content: dict[str, Any], at: float = 0, **more: Any) -> dict[str, Any]:
    """A row of minute *at*."""
    start = START + 60 * at
    common = {"entity": ENTITY, "summary": "logged.x", "start": start, "seconds": 60}
    return {**common, "content": content, **more}


def number(value: float, at: float = 0, **more: Any) -> dict[str, Any]:
    return row({"type": "number", "value": value}, at, **more)


def post(served: Running, *rows: Any, **more: Any) -> httpx.Response:
    return served.http.post("/api/v1/samples", json={"samples": rows, **more})


def logged(served: Running, **asked: Any) -> list[dict[str, Any]]:
    """What is shown of each window."""
    found = served.get("samples", entity=ENTITY, summary="logged.x", **asked)["samples"]
    return [one["logged"] for one in found]


def test_every_type_is_logged_shown_and_equal_to_itself(served: Running) -> None:
    rows = [row(content, summary=f"logged.{at}") for at, content in enumerate(CONTENTS)]
    assert post(served, *rows).json() == {"stored": len(rows), "repeated": 0}
    listed = {one["name"]: one for one in served.get("summaries", entity=ENTITY)["summaries"]}
    assert set(listed) == {one["summary"] for one in rows}
    for at, content in enumerate(CONTENTS):
        kind, name = content["type"], f"logged.{at}"
        assert (listed[name]["role"], listed[name]["logged"]["data_type"]) == ("logged", kind)
        same = served.get("difference", entity=ENTITY, summary=name)
        assert (same["distance"], same["why"]) == (0.0, ""), kind
        (sample,) = served.get("samples", entity=ENTITY, summary=name)["samples"]
        match kind:
            case "categories" | "distribution":
                assert sample["feature"]["count"] == 200
            case "score_histogram":
                assert sample["scores"]["count"] == 2
            case "classification":
                assert sample["performance"]["count"] == len([x for x in content["truth"] if x])
            case "regression":
                assert sample["performance"]["metrics"]["mae"]["value"] == 0.25
            case "string":
                assert sample["logged"]["text"] == content["value"]
            case "confusion_matrix":
                shown = sample["logged"]
                assert (shown["labels"], shown["rows"]) == (content["labels"], content["counts"])
                assert shown["accuracy"] == 10 / 11
            case _:
                assert {key: sample["logged"][key] for key in content} == content


def test_judged_predictions_are_shown_with_their_intervals_over_any_windows(
    served: Running,
) -> None:
    halves = [
        {"type": "classification", "truth": ["1", "0"] * 20, "scores": [0.9, 0.2] * 20},
        {"type": "classification", "truth": ["1", "0"] * 20, "scores": [0.4, 0.7] * 20},
    ]
    rows = [row(content, at, labels={"half": str(at)}) for at, content in enumerate(halves)]
    post(served, *rows).raise_for_status()
    found = served.get("samples", entity=ENTITY, summary="logged.x", step=300)["samples"]
    (both,) = [one["performance"] for one in found]
    assert (both["type"], both["count"], both["positive"]) == ("classification", 80, "1")
    assert (both["classes"], both["confusion"]) == (["0", "1"], [[20, 20], [20, 20]])
    accuracy = both["metrics"]["accuracy_ratio"]
    assert (accuracy["value"], accuracy["rows"]) == (0.5, 80)
    assert [accuracy["low"], accuracy["high"]] == pytest.approx([0.393, 0.607], abs=1e-3)
    assert both["metrics"]["roc_auc"]["value"] == 0.75
    (half,) = served.get("samples", entity=ENTITY, summary="logged.x", label="half:0")["samples"]
    assert half["performance"]["metrics"]["roc_auc"]["value"] == 1.0
    assert half["performance"]["metrics"]["roc_auc"]["low"] < 1.0


def test_one_list_and_extreme_numbers_are_shown(served: Running) -> None:
    ranking = {"type": "ranking", "relevance": [[0, 1, 0]]}
    regression = {
        "type": "regression",
        "truth": [1e-50, 2e-50, 3e-50],
        "predicted": [1e59, 2e59, 0],
    }
    rows = [row(ranking), row(regression, summary="logged.y")]
    assert post(served, *rows).json() == {"stored": 2, "repeated": 0}
    shown = served.get("samples", entity=ENTITY, summary="logged.x")["samples"][0]["performance"]
    assert shown["metrics"]["mrr"]["value"] == 0.5
    shown = served.get("samples", entity=ENTITY, summary="logged.y")["samples"][0]["performance"]
    assert shown["metrics"]["r_squared"]["low"] is None


def test_ranked_lists_and_errors_are_shown(served: Running) -> None:
    ranking = {"type": "ranking", "relevance": [[0, 1], [1, 0], [0]], "cutoffs": [1]}
    regression = {"type": "regression", "truth": [1, 2, 4, None], "predicted": [1, 3, None, 1]}
    rows = [row(ranking), row(regression, summary="logged.y")]
    post(served, *rows).raise_for_status()
    (sample,) = served.get("samples", entity=ENTITY, summary="logged.x")["samples"]
    lists = sample["performance"]
    assert (lists["count"], lists["without_truth"]) == (2, 1)
    assert {name: one["value"] for name, one in lists["metrics"].items()} == {
        "mrr": 0.75,
        "ndcg_at_1": 0.5,
        "hit_ratio_at_1": 0.5,
    }
    (sample,) = served.get("samples", entity=ENTITY, summary="logged.y")["samples"]
    numbers = sample["performance"]
    assert (numbers["count"], numbers["without_truth"], numbers["unusable"]) == (2, 1, 1)
    assert numbers["errors"]["p95"] == 1.0
    why = served.get("difference", entity=ENTITY, summary="logged.x")["why"]
    assert why == "no difference of contents of type ranking"


@pytest.mark.parametrize(
    ("aggregation", "merged"),
    [("sum", 4.0), ("mean", 2.5), ("min", 1.0), ("max", 3.0), ("last", 3.0)],
)
def test_windows_merge_by_the_aggregation(served: Running, aggregation: str, merged: float) -> None:
    weighted = {"type": "number", "value": 3.0, "weight": 3}
    rows = [row(weighted, 1, aggregation=aggregation), number(1.0, 0, aggregation=aggregation)]
    post(served, *rows).raise_for_status()
    (shown,) = logged(served, step=300)
    assert (shown["value"], shown["count"], shown["aggregation"]) == (merged, 2, aggregation)


def test_of_a_window_that_is_logged_twice_what_was_created_later_is_last(served: Running) -> None:
    later, earlier = number(2.0, created=START + 900), number(1.0, created=START + 800)
    post(served, later).raise_for_status()
    post(served, earlier).raise_for_status()
    assert [one["value"] for one in logged(served)] == [2.0]


def test_a_past_window_is_logged_later_with_its_labels(served: Running) -> None:
    post(served, number(1.0, 10, labels={"region": "eu"})).raise_for_status()
    post(served, number(2.0, 3, labels={"region": "us"})).raise_for_status()
    assert [one["value"] for one in logged(served)] == [2.0, 1.0]
    assert [one["value"] for one in logged(served, label="region:eu")] == [1.0]


def test_data_may_have_the_controls_of_text_in_two_directions(served: Running) -> None:
    isolated, embedded = "\u2067\u05d0\u2069", "\u202aeu"
    rows = [
        row({"type": "categories", "counts": {isolated: 3}}),
        row({"type": "string", "value": embedded}, summary=f"logged.{embedded}"),
        number(1.0, summary="logged.n", labels={"region": embedded}),
    ]
    assert post(served, *rows).raise_for_status().json()["stored"] == 3
    asked = {"entity": ENTITY, "summary": "logged.x"}
    assert isolated in served.http.get("/api/v1/samples", params=asked).text
    refused = post(served, number(1.0, summary="logged.n", labels={"region": "eu\n"}))
    assert refused.status_code == 422


def test_a_row_of_a_source_is_stored_once(served: Running) -> None:
    rows = [number(float(at), at) for at in range(3)]
    assert post(served, *rows[:2], source=SOURCE).json() == {"stored": 2, "repeated": 0}
    assert post(served, *rows, source=SOURCE).json() == {"stored": 1, "repeated": 2}
    assert post(served, rows[2], source=SOURCE, first=3).json() == {"stored": 0, "repeated": 1}
    assert post(served, rows[2], source=SOURCE, first=3.0).json() == {"stored": 0, "repeated": 1}
    assert post(served, rows[2]).json() == {"stored": 1, "repeated": 0}
    assert [one["count"] for one in logged(served)] == [1, 1, 2]


def test_a_type_without_amounts_has_no_unit_to_differ_in(served: Running) -> None:
    content = {"type": "distribution", "values": [1.0]}
    assert post(served, row(content, unit="ms"), row(content, 1)).json()["stored"] == 2


def test_another_type_aggregation_or_unit_than_the_first_is_a_conflict(served: Running) -> None:
    post(served, number(1.0, unit="s", aggregation="mean")).raise_for_status()
    for other, field in (
        (row({"type": "string", "value": "a"}), "content.type"),
        (number(1.0, unit="s", aggregation="sum"), "aggregation"),
        (number(1.0, unit="ms", aggregation="mean"), "unit"),
    ):
        problem = is_problem(post(served, other), 409)
        assert problem.field == f"samples[0].{field}"
    (summary,) = served.get("summaries", entity=ENTITY)["summaries"]
    expected = {"data_type": "number", "aggregation": "mean", "unit": "s"}
    assert summary["logged"] == expected
    assert len(logged(served)) == 1


def test_tables_and_matrices_that_would_not_merge_are_conflicts(served: Running) -> None:
    columns = {"type": "table", "columns": ["k", "n"]}
    first = row({**columns, "rows": [[None, 1]]}, aggregation="sum")
    texts = row({**columns, "rows": [["a", 2]]}, 1, aggregation="sum")
    numbers = row({**columns, "rows": [[5, 2]]}, 2, aggregation="sum")
    problem = is_problem(post(served, first, texts, numbers), 409)
    assert (problem.stored, problem.field) == (2, "samples[2].content.columns")
    (shown,) = logged(served, step=300)
    assert shown["rows"] == [[None, 1.0], ["a", 2.0]]


def test_a_refused_row_keeps_its_number_until_a_later_request(served: Running) -> None:
    bad = number(1.0, 1, unit="s", aggregation="mean")
    assert is_problem(post(served, number(1.0), bad, source=SOURCE), 409).stored == 1
    repaired = post(served, number(1.0), number(1.0, 1), source=SOURCE)
    assert repaired.json() == {"stored": 1, "repeated": 1}
    post(served, number(1.0, 2), source=SOURCE, first=9).raise_for_status()
    late = post(served, number(1.0, 3), number(1.0, 4), source=SOURCE, first=8)
    problem = is_problem(late, 409)
    assert (problem.stored, problem.field, len(late.json()["rows"])) == (1, "samples[0]", 1)
    assert "rows below 9 of this source are settled: give them new numbers" in problem.detail
    assert len(logged(served)) == 3


def test_a_logged_summary_is_forgotten_with_its_samples(served: Running) -> None:
    post(served, number(1.0), number(2.0, 1)).raise_for_status()
    assert len(logged(served)) == 2
    named = {"entity": ENTITY, "summary": "logged.x"}
    assert served.http.delete("/api/v1/summaries", params=named).status_code == 204
    is_problem(served.http.get("/api/v1/samples", params=named), 404)  # it has no samples
    for summary in ("logged.x", "logged.y"):
        gone = served.http.delete("/api/v1/summaries", params={**named, "summary": summary})
        is_problem(gone, 404)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"type": "number", "value": 1e271}, "content.value"),
    ({"type": "number", "value": "1"}, "content.value"),
    ({"type": "number", "value": 1, "weight": 2**70}, "content.weight"),
    ({"type": "number", "value": 1, "weight": 0}, "content.weight"),
    ({"type": "string", "value": "a\u0000"}, "content.value"),
    ({"type": "string", "value": "a\n"}, "content.value"),
    ({"type": "string", "value": "x" * 4097}, "content.value"),
    ({"type": "categories", "counts": {"a": -1}}, "content.counts[...]"),
    ({"type": "categories", "counts": {"a": 2**70}}, "content.counts[...]"),
    ({"type": "distribution", "values": []}, "content.values"),
    ({"type": "distribution", "values": [None]}, "content.values[0]"),
    ({"type": "table", "columns": ["a", "a"], "rows": []}, "content.columns"),
    ({"type": "table", "columns": ["a"], "rows": [[1], [1, 2]]}, "content.rows[1]"),
    ({"type": "table", "columns": ["a"], "rows": [[1], ["x"]]}, "content.rows[1][0]"),
    ({"type": "table", "columns": ["a"], "rows": [["x\n"]]}, "content.rows[0][0]"),
    ({"type": "table", "columns": ["a"], "rows": [[1]] * 513}, "content.rows"),
    ({"type": "matrix", "rows": [[1, 2], [3]]}, "content.rows"),
    ({"type": "matrix", "rows": [[0] * 65]}, "content.rows[0]"),
    ({"type": "matrix", "rows": []}, "content.rows"),
    ({"type": "line", "points": [[0, 1], [0.0, 2]]}, "content.points"),
    ({"type": "line", "points": [[0]]}, "content.points[0]"),
    ({"type": "confusion_matrix", "labels": ["a"], "counts": [[1, 2]]}, "content.counts"),
    ({"type": "confusion_matrix", "labels": ["a", "a"], "counts": [[1]]}, "content.labels"),
    ({"type": "score_histogram", "scores": [1.5]}, "content.scores[0]"),
    ({"type": "score_histogram", "scores": [0.5], "truth": []}, "content.truth"),
    ({"type": "classification", "truth": ["1"]}, "content.predicted"),
    ({"type": "classification", "truth": ["1"], "scores": []}, "content.scores"),
    (
        {"type": "classification", "truth": ["1"], "scores": [0.5], "predicted": []},
        "content.predicted",
    ),
    (
        {"type": "classification", "truth": ["1"], "scores": [0.5], "threshold": 1},
        "content.threshold",
    ),
    ({"type": "classification", "truth": [1]}, "content.truth[0]"),
    ({"type": "regression", "truth": [1], "predicted": [1, 2]}, "content.predicted"),
    ({"type": "ranking", "relevance": [[-1]]}, "content.relevance[0][0]"),
    ({"type": "ranking", "relevance": [[1]], "cutoffs": [0]}, "content.cutoffs[0]"),
    ({"type": "picture"}, "content.type"),
]


def test_a_bad_row_is_refused_with_its_place_and_the_good_ones_are_stored(
    served: Running,
) -> None:
    rows = [row(content, summary=f"logged.{at}") for at, (content, _) in enumerate(BAD)]
    answer = post(served, number(1.0), *rows, number(2.0, 1))
    problem = is_problem(answer, 422)
    assert problem.stored == 2
    found = [(one["row"], one["field"]) for one in answer.json()["rows"]]
    assert found == [(at + 1, field) for at, (_, field) in enumerate(BAD)]
    assert [one["value"] for one in logged(served)] == [1.0, 2.0]
    assert len(served.get("summaries", entity=ENTITY)["summaries"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"entity": "no space"}, "entity"),
        ({"summary": "input.x"}, "summary"),
        ({"summary": "logged."}, "summary"),
        ({"summary": "logged.a\n"}, "summary"),
        ({"start": 292278994 * 31_556_952}, "start"),
        ({"start": -1}, "start"),
        ({"seconds": 0}, "seconds"),
        ({"created": 2**70}, "created"),
        ({"labels": {"A": "b"}}, "labels"),
        ({"labels": {"nilometer_overflow": "true"}}, "labels"),
        ({"labels": {"a": "\u0000"}}, "labels[...]"),
        ({"labels": {f"k{at}": "" for at in range(33)}}, "labels"),
        ({"aggregation": "median"}, "aggregation"),
        ({"unit": "s" * 65}, "unit"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_row_that_is_not_allowed_names_its_field(
    filled: Running, change: dict[str, Any], field: str
) -> None:
    assert is_problem(post(filled, {**number(1.0), **change}), 422).field == f"samples[0].{field}"


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
def test_a_value_that_json_does_not_have_is_named(filled: Running, value: str) -> None:
    body = json.dumps({"samples": [number(12345.5)]}).replace("12345.5", value)
    headers = {"content-type": "application/json"}
    answer = filled.http.post("/api/v1/samples", content=body, headers=headers)
    assert is_problem(answer, answer.status_code).status in {400, 422}
    assert "value" in str(answer.json()["field"])


@pytest.mark.parametrize(
    "change",
    [{"samples": []}, {"samples": [{}] * 1001}, {"source": "x"}, {"first": 0}, {"more": 1}],
)
def test_a_body_other_than_rows_is_refused(filled: Running, change: dict[str, Any]) -> None:
    body = {"samples": [number(1.0)], **change}
    is_problem(filled.http.post("/api/v1/samples", json=body), 422)


def test_a_difference_compares_two_times_of_a_table(served: Running) -> None:
    def table(*rows: list[Any], at: float) -> dict[str, Any]:
        return row({"type": "table", "columns": ["segment", "auc"], "rows": rows}, at)

    post(
        served, table(["eu", 0.5], ["us", 0.5], at=0), table(["eu", 0.75], at=60)
    ).raise_for_status()
    now = {"entity": ENTITY, "summary": "logged.x", "start": START + 3600, "end": START + 3660}
    found = served.get("difference", **now, other_earlier=3600)
    assert found["distance"] == pytest.approx(0.75 / 1.75)
    assert found["change"]["rows"] == [["eu", 0.25], ["us", -0.5]]
    assert found["other"]["rows"] == [["eu", 0.5], ["us", 0.5]]
    nothing = served.get("difference", **now, other_earlier=7200)
    assert (nothing["distance"], nothing["other"]) == (None, None)
    assert nothing["why"] == "a side has no samples"


def test_a_caller_logs_for_the_entities_of_its_right_only(tmp_path: Path) -> None:
    writer = {
        "name": "writer",
        "token_sha256": [hashlib.sha256(b"token").hexdigest()],
        "write": ["fraud-*"],
    }
    with running(tmp_path / "collector.db", SteppedClock(), principals=[writer]) as served:
        served.http.headers["authorization"] = "Bearer token"
        other = {**number(1.0), "entity": "secret"}
        answer = post(served, number(1.0), other)
        assert is_problem(answer, 403).stored == 1
        assert answer.json()["rows"][0]["field"] == "entity"
        assert is_problem(post(served, other), 403).stored == 0


def test_a_time_too_far_in_the_future_is_refused_and_a_past_one_is_not(tmp_path: Path) -> None:
    clock = SteppedClock(wall_ns=START * 10**9)
    with running(tmp_path / "c.db", clock=clock, future_seconds=3600.0) as served:
        far = 4_500_000_000.0
        rows = [
            number(1.0, start=far),
            number(1.0, start=START + 3601.0),
            number(1.0, start=START + 3600.0),  # still allowed, and its window may end later
            number(1.0, created=far),
            number(1.0, start=0.0),
        ]
        problem = is_problem(post(served, *rows), 422)
        refused = [(one.row, one.field) for one in problem.rows or ()]
        assert refused == [(0, "start"), (1, "start"), (3, "created")]
        assert (problem.stored, problem.field) == (2, "samples[0].start")
        assert "is 2112-" in problem.detail
        counts = served.http.get("/readyz").json()["counters"]
        assert (counts["rows_from_future"], counts["rows_rejected"]) == (3, 3)
        assert len(logged(served)) == 2
