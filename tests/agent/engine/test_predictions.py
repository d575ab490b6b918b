"""Predictions are logged where a setting says so, with the commit that holds their batch."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.engine_rig import Rig

from nilometer.predictions import PredictionRecord, Scalar, batch_from_bytes
from nilometer.profiling.observation import pack
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.wire.frames import Batch
from nilometer.wire.services import Row
from nilometer_agent.measure.counters import Counter
from nilometer_agent.measure.laws import broken
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import ActivePlan

TIME_NS = 1_700_000_000_000_000_000


def predicted(
    number: int,
    inputs: object = None,
    outputs: object = None,
    *,
    prediction_id: str | None = None,
    values: bytes = b"",
    trace: str = "",
) -> tuple[object, ...]:
    """Return one observation, whose id is its number unless told otherwise."""
    request = json.dumps({"instances": [{"amount": number}]} if inputs is None else inputs)
    response = json.dumps({"predictions": [{"score": number / 8}]} if outputs is None else outputs)
    return (
        *(TIME_NS + number, 0.01, 200, "ok", "POST", "/predict", len(request), len(response)),
        *("application/json", "", "application/json", ""),
        *(request.encode(), response.encode(), "", 1, 0.0, 0, b"", ""),
        *(f"id-{number}" if prediction_id is None else prediction_id, trace, "", None, values),
    )


def batch_of(sequence: int, *observations: tuple[object, ...]) -> Batch:
    return Batch(
        worker=b"w",
        sequence=sequence,
        entity="tested",
        observations=pack(observations),
        count=len(observations),
        labels={"version": "3"},
    )


def logged(buffer: Buffer) -> list[PredictionRecord]:
    """Return the records that the collector would get."""
    rows, corrupt = buffer.oldest_predictions(1000, 1 << 30)
    assert not corrupt
    records: list[PredictionRecord] = []
    for row in rows:
        message = Row()
        message.predictions.MergeFromString(buffer.seal.open(row.payload))
        batch = batch_from_bytes(message.predictions.content)
        assert message.predictions.monitored_entity == batch.entity
        assert row.observations == len(batch)
        records += batch.records()
    return records


def given(tmp_path: Path, *observations: tuple[object, ...], **settings: Any) -> Rig:
    rig = Rig(tmp_path, **{"prediction_log": ("tested",), **settings})
    rig.give(batch_of(1, *observations))
    rig.commit()
    return rig


def test_nothing_is_logged_without_the_setting(tmp_path: Path) -> None:
    for settings in ({"prediction_log": ()}, {"prediction_log": ("other*",)}):
        rig = given(tmp_path / str(len(settings["prediction_log"])), predicted(1), **settings)
        assert logged(rig.buffer) == []
        assert rig.counters.snapshot()["predictions_left_out"] == 0
        rig.buffer.close()


def test_each_row_has_its_outputs_and_the_labels_of_its_sample(tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, Scalar]]] = {
        "predictions": [{"score": 0.25, "class": "spam"}, {"score": 0.5, "class": "ham"}]
    }
    two = {"instances": [{"amount": 1}, {"amount": 2}]}
    rig = given(tmp_path, predicted(1, two, rows))
    assert rig.acknowledged == [1]
    assert logged(rig.buffer) == [
        PredictionRecord(
            entity="tested",
            prediction_id="id-1",
            row=row,
            time_ns=TIME_NS + 1,
            labels=Labels.of(version="3"),
            outputs=outputs,
        )
        for row, outputs in enumerate(rows["predictions"])
    ]
    assert rig.stored() == 1


def test_many_alike_requests_are_logged_one_by_one(tmp_path: Path) -> None:
    rig = given(tmp_path, *(predicted(number) for number in range(100)))
    assert [(one.prediction_id, one.outputs) for one in logged(rig.buffer)] == [
        (f"id-{number}", {"score": number / 8}) for number in range(100)
    ]
    assert rig.stored() == 100


def test_inputs_and_the_subject_are_logged_where_settings_name_them(tmp_path: Path) -> None:
    rows = {"instances": [{"amount": 1, "customer": 17}, {"amount": 2, "customer": "ann"}]}
    answer = {"predictions": [{"score": 0.1}, {"score": 0.2}]}
    rig = given(
        tmp_path,
        predicted(1, rows, answer, prediction_id=""),
        prediction_log_inputs=("input.amount",),
        prediction_log_subjects={"test*": "input.customer"},
    )
    found = [(one.prediction_id, one.subject, one.inputs) for one in logged(rig.buffer)]
    assert found == [("", "17", {"amount": 1}), ("", "ann", {"amount": 2})]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prediction_id": ""}, "no_key"),
        ({"prediction_id": "x" * 257}, "not_allowed"),
        ({"outputs": []}, "no_output"),
    ],
)
def test_what_is_not_logged_is_counted(
    tmp_path: Path, changes: Mapping[str, Any], reason: str
) -> None:
    rig = given(tmp_path, predicted(1, **changes), predicted(2))
    assert [one.prediction_id for one in logged(rig.buffer)] == ["id-2"]
    assert rig.counters.reasons(Counter.PREDICTIONS_LEFT_OUT) == {reason: 1}


def test_the_id_of_a_body_and_then_a_trace_take_their_place(tmp_path: Path) -> None:
    outputs = [{"name": "score", "shape": [1], "datatype": "FP64", "data": [0.5]}]
    named = {"id": "of-body", "inputs": outputs}
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    rig = given(
        tmp_path,
        predicted(1, named, {"model_name": "m", "outputs": outputs}),
        predicted(2, prediction_id="", trace=trace),
    )
    assert [one.prediction_id for one in logged(rig.buffer)] == ["of-body", "a" * 32]


def test_vectors_long_texts_and_redacted_values_stay_in_the_pod(tmp_path: Path) -> None:
    answer = {
        "predictions": [
            {"score": 0.5, "text": "x" * 1025, "name": "[redacted]", "is_fraud": True},
        ]
    }
    rig = given(tmp_path, predicted(1, None, answer))
    (record,) = logged(rig.buffer)
    assert record.outputs == {"score": 0.5, "text": None, "name": None, "is_fraud": True}


def test_an_integer_over_64_bits_is_logged_as_the_nearest_float(tmp_path: Path) -> None:
    scores = [2**70, -(2**63) - 1, 2**64 - 1, 10**400]
    answer = {"predictions": [{"score": score} for score in scores]}
    rig = given(tmp_path, predicted(1, None, answer))
    found = [record.outputs["score"] for record in logged(rig.buffer)]
    assert found == [2.0**70, -(2.0**63), 2**64 - 1, None]
    assert list(map(type, found)) == [float, float, int, type(None)]


def test_subjects_are_exact_texts_and_one_with_a_control_character_is_not_allowed(
    tmp_path: Path,
) -> None:
    subjects: list[object] = [17.0, True, None, 1e300, "a\nb", 2**64 - 1, 2**70, -1.5]
    rows = {"instances": [{"customer": subject} for subject in subjects]}
    answer = {"predictions": [{"score": at / 8} for at in range(len(subjects))]}
    rig = given(
        tmp_path, predicted(1, rows, answer), prediction_log_subjects={"*": "input.customer"}
    )
    found = {one.row: one.subject for one in logged(rig.buffer)}
    most = str(2**64 - 1)
    assert found == {0: "17", 1: "true", 2: "", 3: "", 5: most, 6: "", 7: "-1.5"}
    assert rig.counters.reasons(Counter.PREDICTIONS_LEFT_OUT) == {"not_allowed": 1}


def test_strict_privacy_refuses_the_log_unless_it_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prediction_log_in_strict"):
        AgentSettings(prediction_log=("*",), privacy="strict")
    AgentSettings(prediction_log=("*",), privacy="strict", prediction_log_in_strict=True)
    rig = Rig(tmp_path, prediction_log=("*",))
    rig.engine._plans.active = ActivePlan([], [], disclosure=Disclosure(Privacy.STRICT))
    rig.give(batch_of(1, predicted(1)))
    rig.commit()
    assert logged(rig.buffer) == []
    assert rig.counters.reasons(Counter.PREDICTIONS_LEFT_OUT) == {"privacy": 1}


def test_a_failed_commit_logs_nothing_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path, prediction_log=("*",))
    rig.buffer.failures = 2
    rig.give(batch_of(1, predicted(1)))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError):
            rig.commit()
    rig.commit()
    assert rig.acknowledged == [1]
    assert len(logged(rig.buffer)) == 1
    rig.give(batch_of(1, predicted(1)))  # the worker sends it again
    rig.commit()
    assert len(logged(rig.buffer)) == 1


def test_an_agent_that_dies_after_a_commit_keeps_its_predictions_once(tmp_path: Path) -> None:
    rig = given(tmp_path, predicted(1))
    rig.buffer._ledger.database.connection.close()  # no orderly shutdown
    again = Rig(tmp_path, prediction_log=("*",))
    again.give(batch_of(1, predicted(1)))
    again.give(batch_of(2, predicted(2)))
    again.commit()
    figures = again.buffer.gauges() | again.buffer._counters.snapshot()
    assert figures["predictions_in_outbox"] == 2
    assert not [one for one in broken([figures]) if "predictions" in str(one)]
    for expected in ("id-1", "id-2"):  # each call has rows of one epoch
        assert [one.prediction_id for one in logged(again.buffer)] == [expected]
        again.buffer.forget_predictions(again.buffer.oldest_predictions(10, 1 << 20)[0])


def test_wide_rows_are_split_below_the_limit_of_the_collector(tmp_path: Path) -> None:
    wide = {"predictions": [{f"text_{at}": "x" * 1000 for at in range(20)} for _ in range(40)]}
    rig = given(tmp_path, predicted(1, None, wide))
    rows, _ = rig.buffer.oldest_predictions(1000, 1 << 30)
    assert len(rows) > 1
    assert max(len(row.payload) for row in rows) <= 256 << 10
    assert len(logged(rig.buffer)) == 40
