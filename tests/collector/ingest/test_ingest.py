"""Rows of agents are stored once, bad rows are rejected one by one, and no input causes a crash."""

import dataclasses
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import msgspec
import numpy as np
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from nilometer.batch.reference_upload import put_reference
from nilometer.profile import FeatureProfile, SummarySample
from nilometer.profile.performance import (
    Performance,
    Ranking,
    Regression,
    RowMetrics,
    binary,
    multiclass,
)
from nilometer.profile.performance.mean import Mean
from nilometer.testing import SteppedClock
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.privacy import LAXEST
from nilometer.values.window import Window
from nilometer.wire.alerts import plan_from_wire
from nilometer.wire.references import reference_to_wire
from nilometer.wire.samples import sample_from_bytes
from nilometer.wire.services import GetPlanRequest, Row, ShipReply, ShipRequest
from nilometer_collector.api.coverage import coverage_view
from nilometer_collector.contents.bins import common_bins_of
from nilometer_collector.contents.registered import SHOWN
from nilometer_collector.ingest import rows as checks
from nilometer_collector.ingest.ingest import SERVICE_NAME
from nilometer_collector.limits.bounds import LAST_NS, MAX_COUNT
from nilometer_collector.store import RowContent, SampleRow
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    a_row,
    an_alerter,
    an_evaluation,
    feature_sample,
    running,
    service_sample,
)


def test_a_shipped_sample_is_read_back(served: Running) -> None:
    reply = served.sender().ship(feature_sample([1.0, 2.0, None]), service_sample([0.1, 0.2]))
    assert not reply.rejected
    (entity,) = served.get("entities")["entities"]
    assert (entity["name"], entity["summaries"], entity["observations"]) == (ENTITY, 2, 3)
    (sample,) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
    assert (sample["feature"]["count"], sample["feature"]["missing"]) == (2, 1)


def test_a_call_that_is_sent_again_counts_once(served: Running) -> None:
    sender = served.sender()
    rows = [a_row(1, feature_sample([1.0, 2.0])), a_row(2, service_sample([0.1]))]
    for _ in range(3):
        assert not sender.send(rows).rejected
    (sample,) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
    assert sample["feature"]["count"] == 2
    counts = served.http.get("/readyz").json()["counters"]
    assert (counts["rows_stored"], counts["rows_repeated"], counts["rows_rejected"]) == (2, 4, 0)


def _changed(change: Callable[[Row], object]) -> Row:
    row = a_row(2, feature_sample([1.0, 2.5, -3.0, "x"]))
    change(row)
    return row


def _reading(change: Callable[[Row], object]) -> Row:
    row = a_row(2, an_evaluation(0.5, 1))
    change(row)
    return row


def _spread(row: Row) -> None:
    """Two rows like this one, far apart, would fill the distance between them."""
    row.sample.feature.numeric.histogram.scale = 12
    row.sample.feature.numeric.histogram.positive.offset = 2**31 - 1000


def _wide(row: Row) -> None:
    row.sample.feature.types.update({f"kind{number}": 0 for number in range(100)})


def _not_logged(row: Row) -> None:
    """The number has no aggregation yet."""
    row.sample.summary = "logged.x"
    row.sample.ClearField("feature")
    row.sample.number.SetInParent()


def _logged_later(row: Row) -> None:
    """The sample would be the newest for ever."""
    row.sample.summary = "logged.x"
    row.sample.ClearField("feature")
    row.sample.string.value, row.sample.string.count = "v", 1
    row.sample.string.end_unix_nano = row.sample.window_end_unix_nano + 1


def _many_labels(row: Row) -> None:
    row.sample.labels.update({f"key{number}": "v" for number in range(40)})


BAD: dict[str, Row] = {
    "no content": Row(sequence=2),
    "no sample": _changed(lambda row: row.sample.Clear()),
    "no feature": _changed(lambda row: row.sample.ClearField("feature")),
    "entity": _changed(lambda row: setattr(row.sample, "entity", "../etc")),
    "summary": _changed(lambda row: setattr(row.sample, "summary", "amount")),
    "summary with NUL": _changed(lambda row: setattr(row.sample, "summary", "input.a\0b")),
    "long summary": _changed(lambda row: setattr(row.sample, "summary", "input." + "a" * 300)),
    "service with a feature": _changed(lambda row: setattr(row.sample, "summary", "service")),
    "label key": _changed(lambda row: row.sample.labels.update({"No-Way": "x"})),
    "label value": _changed(lambda row: row.sample.labels.update({"k": "x" * 300})),
    "labels": _changed(_many_labels),
    "empty window": _changed(lambda row: setattr(row.sample, "window_end_unix_nano", 5)),
    "late window": _changed(lambda row: setattr(row.sample, "window_end_unix_nano", 2**64 - 1)),
    "long window": _changed(lambda row: setattr(row.sample, "window_start_unix_nano", 1)),
    "coverage": _changed(lambda row: setattr(row.sample.coverage, "seen", 99)),
    "lost inputs": _changed(
        lambda row: row.sample.coverage.lost_inputs.update({"empty": MAX_COUNT + 1})
    ),
    "lost outputs": _changed(lambda row: row.sample.coverage.lost_outputs.update({"a\0b": 0})),
    "types": _changed(_wide),
    "count": _changed(lambda row: setattr(row.sample.feature, "missing", MAX_COUNT + 1)),
    "mean": _changed(lambda row: setattr(row.sample.feature.numeric.moments, "mean", math.nan)),
    "moments": _changed(lambda row: setattr(row.sample.feature.numeric.moments, "count", 7)),
    "digest": _changed(lambda row: setattr(row.sample.feature.numeric.digest, "means", b"\xff")),
    "minimum": _changed(lambda row: setattr(row.sample.feature.numeric.digest, "min", math.inf)),
    "weights": _changed(
        lambda row: setattr(row.sample.feature.numeric.digest, "weights", b"\xff" * 9 + b"\x7f")
    ),
    "compression": _changed(
        lambda row: setattr(row.sample.feature.numeric.digest, "compression", 1e300)
    ),
    "scale": _changed(lambda row: setattr(row.sample.feature.numeric.histogram, "scale", 20)),
    "buckets": _changed(
        lambda row: row.sample.feature.numeric.histogram.positive.counts.extend([1] * 500)
    ),
    "offset": _changed(_spread),
    "no logged samples": _changed(_not_logged),
    "end of a logged sample": _changed(_logged_later),
    "capacity": _changed(lambda row: setattr(row.sample.feature.categories, "capacity", 2**31)),
    "errors": _changed(lambda row: row.sample.feature.categories.errors.extend([1, 2, 3])),
    "precision": _changed(lambda row: setattr(row.sample.feature.distinct, "precision", 16)),
    "too large": _changed(
        lambda row: row.sample.feature.categories.values.append("x" * (300 << 10))
    ),
    "no verdict": _reading(lambda row: setattr(row.evaluation, "verdict", 0)),
    "no kind": _reading(lambda row: setattr(row.evaluation.alerter, "kind", 0)),
    "alerter": _reading(lambda row: setattr(row.evaluation.alerter, "threshold", -1.0)),
    "windows to open": _reading(
        lambda row: setattr(row.evaluation.alerter, "windows_to_open", 2**31)
    ),
    "value": _reading(lambda row: setattr(row.evaluation, "value", math.nan)),
    "alerter name": _reading(lambda row: setattr(row.evaluation.alerter, "name", "a\nb")),
    "evidence": _reading(lambda row: setattr(row.evaluation, "evidence", "x" * 5000)),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_row_is_rejected_by_name_and_the_rest_is_stored(served: Running, bad: str) -> None:
    sender = served.sender()
    rows = [a_row(1, feature_sample([1.0])), BAD[bad], a_row(3, feature_sample([2.0]))]
    for _ in range(2):  # rejected for ever, also when it comes again
        (rejected,) = sender.send(rows).rejected
        assert rejected.sequence == 2
        assert rejected.reason
    (sample,) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
    assert sample["feature"]["count"] == 2
    assert served.get("episodes")["episodes"] == []


JUDGED: list[Performance] = [
    binary([0.9, 0.2, 0.4], ["1", "1", "0"], threshold=0.3),
    multiclass([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]], ["a", "b", "c"], ["b", "c"]),
    Regression.of([1.0, 2.5, 4.0], [1e9, 2.0, 3.0]),
    Ranking.of([[0, 1, 2], [1, 0], [0]], cutoffs=[1, 2]),
    RowMetrics(3, {("fee", "EUR"): Mean.of(np.array([1.0, 2.0]))}),
]


EXTREMES: list[object] = [
    *(0, 1, -1, 2, 20, 63, 64, 255, 2**31 - 1, -(2**31), 2**32 - 1, 2**48, 2**63 - 1, 2**64 - 1),
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0),
    *(b"", b"\x00", b"\x03", b"\xff" * 9 + b"\x01", b"\x01" * 64, "", "x", "input.a", "\n"),
]


def damage(data: st.DataObject, message: Any) -> None:
    """Set one field, somewhere in *message*, to an extreme value of a type it may have."""
    field = data.draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
    value = getattr(message, field.name)
    extreme = data.draw(st.sampled_from(EXTREMES))
    with suppress(TypeError, ValueError, OverflowError, AttributeError):
        if isinstance(value, Message):
            if data.draw(st.integers(0, 9)):
                damage(data, value)
            else:
                message.ClearField(field.name)
        elif hasattr(value, "append"):
            if len(value) and data.draw(st.booleans()):
                value[data.draw(st.integers(0, len(value) - 1))] = extreme
            else:
                value.extend([extreme] * data.draw(st.sampled_from([1, 2, 200])))
        elif hasattr(value, "items"):
            value[data.draw(st.sampled_from([*value, "new", 7]))] = extreme
        else:
            setattr(message, field.name, extreme)


def _checked(row: Row, *, digest: bool) -> RowContent | None:
    """Return the content of a row; None if the row is rejected."""
    try:
        return checks._content(row, ShipReply(), checks.Checked(), LAST_NS, digest=digest)
    except (ValueError, ArithmeticError, NilometerError):
        return None


@given(
    st.data(),
    st.sampled_from(
        [
            feature_sample([1.0, 2.5, -3.0, 0.0, "a", "b", True, None, math.nan], edges=(0.0, 1.0)),
            service_sample([0.1, 2.0], failed=1),
            *(
                dataclasses.replace(feature_sample([]), summary="logged.quality", content=judged)
                for judged in JUDGED
            ),
        ]
    ),
)
def test_whatever_passes_the_checks_can_be_merged_and_shown(
    data: st.DataObject, sample: SummarySample
) -> None:
    row = a_row(1, sample)
    for _ in range(data.draw(st.integers(1, 3))):
        damage(data, row)
    ((_, is_sound),) = checks._with_soundness([row])
    content = _checked(row, digest=not is_sound)
    assert (content is None) == (_checked(row, digest=True) is None)
    if not isinstance(content, SampleRow) or content.summary != sample.summary:
        return
    found = sample_from_bytes(content.payload)
    if type(found.content) is not type(sample.content):
        return  # a logged summary has the type of its first sample
    merged = SummarySample.merge_all([found, sample, found], sample.window, Labels())
    views = []
    for edges in ((0.0, 1.0), ()):
        features = [merged.content] if isinstance(merged.content, FeatureProfile) else []
        shown = SHOWN[merged.content.kind]
        views.append(shown.view(merged.content, merged.window, common_bins_of(features, edges)))
    msgspec.json.encode([*views, coverage_view(merged.coverage)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent", ""),
        ("agent", "a\0b"),
        ("agent", "a" * 300),
        ("epoch", b"short"),
        ("oldest_held", 2**64 - 1),
    ],
)
def test_a_sender_that_does_not_name_itself_is_refused(
    served: Running, field: str, value: object
) -> None:
    request = ShipRequest(agent="pod-1", epoch=b"e" * 16, rows=[a_row(1, feature_sample([1.0]))])
    setattr(request, field, value)
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Ship(request, timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert served.get("entities")["entities"] == []


def test_sequences_out_of_range_are_rejected(served: Running) -> None:
    rows = [a_row(number, feature_sample([1.0])) for number in (0, 2**63, 2**64 - 1, 7)]
    rejected = [row.sequence for row in served.sender().send(rows).rejected]
    assert rejected == [0, 2**63, 2**64 - 1]


def test_a_plan_holds_what_was_asked_for_and_nothing_when_it_is_unchanged(
    served: Running,
) -> None:
    reference = a_reference({"input.amount": [float(number) for number in range(100)]})
    put_reference(reference, served.collector.grpc_target)
    other = dataclasses.replace(reference, entity="other")
    put_reference(other, served.collector.grpc_target)
    body = {"entity": ENTITY, "name": "drift", "summary": "input.*", "kind": "REFERENCE"}
    served.put_alerter({**body, "threshold": 0.2, "reference": "training"}).raise_for_status()

    plan = served.stub.GetPlan(GetPlanRequest(entities=[ENTITY]), timeout=60)
    references, alerters, _, disclosure, judges, prediction_sums, baselines = plan_from_wire(plan)
    assert not baselines
    assert judges
    assert prediction_sums
    assert [(one.entity, one.digest) for one in references] == [(ENTITY, reference.digest)]
    assert alerters == [an_alerter()]
    assert disclosure == LAXEST
    again = served.stub.GetPlan(GetPlanRequest(entities=[ENTITY], version=plan.version), timeout=60)
    assert again.unchanged
    assert not again.references
    served.http.delete("/api/v1/alerters", params={"entity": ENTITY, "name": "drift"})
    changed = served.stub.GetPlan(
        GetPlanRequest(entities=[ENTITY], version=plan.version), timeout=60
    )
    assert not changed.unchanged
    assert not changed.alerters


def test_a_new_version_of_a_reference_replaces_the_one_before(served: Running) -> None:
    first = a_reference({"input.amount": [1.0, 2.0, 3.0]})
    second = a_reference({"input.amount": [4.0, 5.0, 6.0]})
    for reference in (first, first, second):
        put_reference(reference, served.collector.grpc_target)
    shown = served.get("references", entity=ENTITY)["references"]
    assert [one["digest"] for one in shown] == [second.digest]
    put_reference(first, served.collector.grpc_target)
    shown = served.get("references")["references"]
    assert [one["digest"] for one in shown] == [first.digest]


@pytest.mark.parametrize(
    ("entity", "name", "edges"),
    [
        ("no/../../way ", "training", [1.0, 2.0]),
        (ENTITY, "", [1.0, 2.0]),
        (ENTITY, "a\0b", [1.0, 2.0]),
        (ENTITY, "training", [2.0, 1.0]),
        (ENTITY, "training", [math.nan, 1.0]),
        (ENTITY, "training", [float(number) for number in range(500)]),
    ],
)
def test_a_bad_reference_is_refused(
    served: Running, entity: str, name: str, edges: list[float]
) -> None:
    message = reference_to_wire(a_reference({"input.amount": [1.0, 2.0, 3.0]}))
    message.entity, message.name = entity, name
    message.columns[0].edges[:] = edges
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.PutReference(message, timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert served.get("references")["references"] == []


@pytest.mark.parametrize("service", ["", SERVICE_NAME])
def test_the_health_service_says_serving(served: Running, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_rows_from_the_far_future_are_rejected_one_by_one_and_old_ones_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A pod whose clock is wrong must not make windows that stay the newest for years."""
    clock = SteppedClock(wall_ns=START_NS)
    allowed_ns = START_NS + 86_400 * 10**9
    windows = {
        1: Window(START_NS - 1, START_NS),
        2: Window(allowed_ns + 1, allowed_ns + 2),
        3: Window(1 << 61, (1 << 61) + 60 * 10**9),
        4: Window(0, 60 * 10**9),
    }
    rows = [
        a_row(at, dataclasses.replace(feature_sample([1.0]), window=window))
        for at, window in windows.items()
    ]
    late = dataclasses.replace(an_evaluation(0.5, 1), window=windows[3])
    with running(tmp_path / "c.db", clock=clock) as served:
        reply = served.sender().send([*rows, a_row(5, dataclasses.replace(late, edge=True))])
        reasons = {one.sequence: one.reason for one in reply.rejected}
        assert set(reasons) == {2, 3, 5}
        assert all("start: is" in reason for reason in reasons.values())
        found = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
        assert len(found) == 2
        latest = dataclasses.replace(
            feature_sample([1.0]), window=Window(allowed_ns, allowed_ns + 1)
        )
        assert not served.sender().send([a_row(6, latest)]).rejected
        counts = served.http.get("/readyz").json()["counters"]
        assert (counts["rows_from_future"], counts["rows_rejected"]) == (3, 3)
    (told,) = (one for one in caplog.records if "set the clock" in one.message)
    assert told.__dict__["rows"] == 3
    assert told.__dict__["time"] == "2023-11-15T22:14:00+00:00"
    assert told.__dict__["collector_time"] == "2023-11-14T22:14:00+00:00"
