"""Batches of predictions survive the trip as bytes; a damaged or lying batch is refused."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.predictions import (
    BatchUnreadable,
    PredictionRecord,
    batch_from_bytes,
    batch_to_bytes,
    batches_of,
    faults_in,
)
from nilometer.values.labels import Labels

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False),
    st.text(max_size=8),
)
columns = st.dictionaries(st.sampled_from("abc"), scalars, max_size=3)
records = st.builds(
    PredictionRecord,
    entity=st.sampled_from(["fraud", "churn"]),
    prediction_id=st.sampled_from(["", "x", "y"]),
    row=st.integers(0, 1 << 31),
    time_ns=st.integers(0, 1 << 62),
    outputs=columns,
    labels=st.sampled_from([Labels(), Labels.of(version="1"), Labels.of(version="2")]),
    subject=st.sampled_from(["", "person-1"]),
    inputs=columns,
)


@given(st.lists(records, max_size=20), st.integers(1, 5))
def test_every_record_comes_back_once(sent: list[PredictionRecord], most_rows: int) -> None:
    batches = [batch_from_bytes(batch_to_bytes(one)) for one in batches_of(sent, most_rows)]
    assert all(len(batch) <= most_rows for batch in batches)
    received = [record for batch in batches for record in batch.records()]
    assert sorted(map(repr, received)) == sorted(map(repr, sent))  # 1, 1.0 and True differ


def a_record(**changes: object) -> PredictionRecord:
    record = PredictionRecord(
        entity="fraud", prediction_id="x", row=0, time_ns=1, outputs={"score": math.inf}
    )
    return msgspec.structs.replace(record, **changes)


@given(st.data())
def test_a_cut_batch_is_refused(data: st.DataObject) -> None:
    (batch,) = batches_of([a_record(row=row, subject="s") for row in range(3)])
    content = batch_to_bytes(batch)
    with pytest.raises(BatchUnreadable):
        batch_from_bytes(content[: data.draw(st.integers(0, len(content) - 1))])


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rows": []},
        {"rows": [0]},
        {"after_ns": [0]},
        {"lengths": [1]},
        {"lengths": [3, -1], "ids": ["x", "y"]},
        {"lengths": [], "ids": []},
        {"places": [0, 1]},
        {"places": [0]},
        {"label_sets": []},
        {"subjects": ["s"]},
        {"outputs": {"score": [0.5]}},
        {"outputs": {"score": [0.5, [1]]}},
        {"rows": list(range(5000)), "after_ns": [0] * 5000, "lengths": [5000], "outputs": {}},
    ],
)
def test_a_batch_with_contradicting_lengths_is_refused(change: dict[str, object]) -> None:
    (batch,) = batches_of([a_record(row=0), a_record(row=1)])
    content = {**msgspec.to_builtins(batch), **change}
    with pytest.raises(BatchUnreadable):
        batch_from_bytes(msgspec.msgpack.encode(content))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prediction_id": "x" * 257}, "over 256"),
        ({"prediction_id": ""}, "no prediction id"),
        ({"prediction_id": "a\nb"}, "control"),
        ({"subject": "s" * 257}, "over 256"),
        ({"row": -1}, "row must"),
        ({"time_ns": -1}, "time must"),
        ({"outputs": {"text": "x" * 1025}}, "over 1024"),
        ({"outputs": {"a\0b": 1}}, "name"),
        ({"inputs": {str(at): at for at in range(257)}}, "over 256 columns"),
    ],
)
def test_a_bad_row_is_named_and_its_neighbour_is_kept(
    changes: dict[str, object], reason: str
) -> None:
    bad = a_record(**changes)
    good = a_record(row=1)
    faults = [why for batch in batches_of([good, bad]) for why in faults_in(batch).values()]
    assert len(faults) == 1
    assert reason in faults[0]


def test_a_batch_costs_little_more_than_its_values() -> None:
    rows = [
        a_record(prediction_id=f"{at:032x}", time_ns=10**18 + at * 10**6, outputs={"score": at / 7})
        for at in range(1000)
    ]
    (batch,) = batches_of(rows)
    assert len(batch_to_bytes(batch)) < 1000 * (34 + 9 + 6 + 3)
