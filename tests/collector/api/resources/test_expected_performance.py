"""Estimates over HTTP come from stored scores and a reference with ground truth."""

from typing import Any

import numpy as np
import pytest
from msgspec import UNSET, UnsetType
from support.problems import is_problem

from nilometer.profile.performance import CAVEAT
from nilometer_collector.testing import ENTITY, Running

START = 1_700_000_400
ASKED: dict[str, Any] = {
    "entity": ENTITY,
    "summary": "logged.scores",
    "ground_truth": "logged.quality",
}


def row(content: dict[str, Any], summary: str, at: int, **more: Any) -> dict[str, Any]:
    start = START + 300 * at
    common = {"entity": ENTITY, "summary": summary, "start": start, "seconds": 300}
    return {**common, "content": content, **more}


@pytest.fixture
def logged(served: Running) -> Running:
    """Ground truth of the first window, and scores of two later ones."""
    rng = np.random.default_rng(43)
    scores = rng.random(5000).round(3)
    truth = np.where(rng.random(5000) < scores, "1", "0")
    quality = {"type": "classification", "scores": scores.tolist(), "truth": truth.tolist()}
    wide = {"type": "score_histogram", "scores": rng.random(2000).round(3).tolist()}
    narrow = {"type": "score_histogram", "scores": rng.beta(9, 9, 2000).round(3).tolist()}
    rows = [
        row(quality, "logged.quality", 0),
        row(wide, "logged.scores", 2),
        row(narrow, "logged.scores", 3, labels={"region": "eu"}),
        row({"type": "number", "value": 1}, "logged.number", 0),
    ]
    served.http.post("/api/v1/samples", json={"samples": rows}).raise_for_status()
    return served


def test_each_window_has_its_estimate_and_the_answer_its_caveat(logged: Running) -> None:
    found = logged.get("expected-performance", **ASKED)
    assert (found["positive"], found["reference_rows"], found["caveat"]) == ("1", 5000, CAVEAT)
    wide, narrow = found["windows"]
    assert (wide["window_start"], wide["count"], wide["why"]) == (START + 600, 2000, "")
    area = wide["metrics"]["roc_auc"]
    assert 0.7 < area["low"] < 5 / 6 < area["high"] < 0.9
    assert narrow["metrics"]["roc_auc"]["high"] < area["low"]


def test_windows_labels_and_the_time_of_the_reference_are_chosen(logged: Running) -> None:
    (both,) = logged.get("expected-performance", **ASKED, step=600)["windows"]
    assert both["count"] == 4000
    answer = logged.http.get("/api/v1/expected-performance", params={**ASKED, "label": "region:eu"})
    assert is_problem(answer, 422).field == "ground_truth"
    late = {**ASKED, "reference_start": START + 3000}
    answer = logged.http.get("/api/v1/expected-performance", params=late)
    assert is_problem(answer, 422).field == "ground_truth"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"summary": "logged.number"}, 422, "summary"),
        ({"ground_truth": "logged.number"}, 422, "ground_truth"),
        ({"ground_truth": "logged.none"}, 404, UNSET),
    ],
)
def test_other_summaries_are_refused(
    logged: Running, change: dict[str, str], status: int, field: str | UnsetType
) -> None:
    answer = logged.http.get("/api/v1/expected-performance", params={**ASKED, **change})
    assert is_problem(answer, status).field == field
