"""Each name in an alerter that does not exist gets one line with a similar known name."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.problems import ALERTER, is_problem

from nilometer.alert import Alerter
from nilometer.batch.reference_upload import put_reference
from nilometer_collector.query.missing_names import KnownNames, missing_names
from nilometer_collector.store import open_store
from nilometer_collector.testing import (
    ENTITY,
    Running,
    a_reference,
    an_alerter,
    feature_sample,
    running,
)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Running]:
    """A collector with a summary and a reference of one entity, and a summary of another."""
    with running(tmp_path / "state" / "collector.db") as served:
        served.sender().ship(feature_sample([1.0, 2.0]))
        served.sender("other").ship(feature_sample([1.0], entity="churn"))
        put_reference(a_reference({"input.amount": [1.0, 2.0]}), served.collector.grpc_target)
        yield served


def lines(filled: Running, alerter: Alerter) -> list[str]:
    filled.collector.stop()
    store = open_store(filled.collector.settings.database_path, "")
    try:
        return missing_names(KnownNames(store), alerter)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        (
            {"summary": "input.amuont"},
            [
                (
                    "summary = 'input.amuont': matches no summary of fraud-scorer; did you mean "
                    "'input.amount'? (known: input.amount)"
                )
            ],
        ),
        (
            {"entity": "chrun"},
            [
                "entity = 'chrun': has no data; did you mean 'churn'?",
                "reference = 'training': chrun has no such reference (it has none yet)",
            ],
        ),
        (
            {"entity": "churn", "summary": "*"},
            ["reference = 'training': churn has no such reference (it has none yet)"],
        ),
    ],
)
def test_each_missing_name_is_told_with_the_nearest(
    filled: Running, changes: dict[str, Any], said: list[str]
) -> None:
    assert lines(filled, an_alerter(**changes)) == said


def test_a_put_of_an_alerter_returns_its_warnings(filled: Running) -> None:
    answer = filled.put_alerter({**ALERTER, "reference": "trainig"})
    assert answer.status_code == 200
    (line,) = answer.json()["warnings"]
    assert line.startswith("reference = 'trainig': ")
    assert "did you mean 'training'?" in line
    assert filled.put_alerter(ALERTER).json()["warnings"] == []


def test_a_file_with_a_missing_name_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="nilometer.collector")
    with running(tmp_path / "state" / "collector.db", alerters=[ALERTER]):
        pass
    (record,) = (one for one in caplog.records if "does not exist" in one.message)
    assert vars(record)["alerter"] == "drift"
    assert "reference = 'training'" in vars(record)["reason"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            {"summary": "input.amuont"},
            "has no summary 'input.amuont'; did you mean 'input.amount'?",
        ),
        (
            {"summary": "input.amount", "reference": "trainig"},
            "has no reference 'trainig'; did you mean 'training'?",
        ),
    ],
)
def test_a_question_about_a_missing_name_is_answered_with_the_nearest(
    filled: Running, asked: dict[str, str], why: str
) -> None:
    answer = filled.http.get("/api/v1/samples", params={"entity": ENTITY, **asked})
    assert why in is_problem(answer, 404).detail
