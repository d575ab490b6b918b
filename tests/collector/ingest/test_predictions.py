"""Logged predictions arrive once, bad ones are refused one by one, and users read and erase them."""

from collections.abc import Sequence

import pytest
from support.predicted import a_prediction

from nilometer.predictions import PredictionRecord, batch_to_bytes, batches_of
from nilometer.wire.services import Row
from nilometer_collector.testing import ENTITY, START_NS, Running, feature_sample


def rows_of(records: Sequence[PredictionRecord], first: int = 1) -> list[Row]:
    """Return the rows of an outbox that hold *records*."""
    rows = []
    for sequence, batch in enumerate(batches_of(records), first):
        row = Row(sequence=sequence)
        row.predictions.monitored_entity = batch.entity
        row.predictions.content = batch_to_bytes(batch)
        rows.append(row)
    return rows


def counts(served: Running) -> dict[str, int]:
    found: dict[str, int] = served.http.get("/readyz").json()["counters"]
    return {
        name: count for name, count in found.items() if name.startswith("predictions") and count
    }


def test_shipped_predictions_are_listed_and_counted_once(served: Running) -> None:
    rows = rows_of([a_prediction("x", row) for row in range(3)])
    for _ in range(2):
        assert not served.sender().send(rows).rejected
    listed = served.get("predictions", entity=ENTITY, limit=2)
    assert (listed["rows"], listed["ambiguous"], len(listed["predictions"])) == (3, 0, 2)
    assert listed["predictions"][1] == {
        "prediction_id": "x",
        "row": 1,
        "time": START_NS / 1e9,
        "labels": {},
        "outputs": {"score": 0.125, "class": "spam"},
        "inputs": {},
        "subject": "",
    }
    rest = served.get("predictions", entity=ENTITY, after=listed["next"])
    assert [one["row"] for one in rest["predictions"]] == [2]
    assert rest["next"] is None
    assert counts(served) == {"predictions_stored": 3}


def test_a_bad_prediction_is_refused_and_the_others_are_stored(served: Running) -> None:
    records = [a_prediction("x"), a_prediction("y" * 257), a_prediction("z", -1)]
    reply = served.sender().send(rows_of(records))
    assert not reply.rejected
    refused = {one.reason: (one.sequence, one.rows) for one in reply.refused_predictions}
    assert len(refused) == 2
    assert set(refused.values()) == {(1, 1)}
    assert served.get("predictions", entity=ENTITY)["rows"] == 1
    assert counts(served) == {"predictions_stored": 1, "predictions_refused": 2}


def test_a_repeated_id_is_counted(served: Running) -> None:
    records = [a_prediction("x"), a_prediction("x", time_ns=START_NS + 1)]
    served.sender().send(rows_of(records))
    assert served.get("predictions", entity=ENTITY)["ambiguous"] == 1
    assert counts(served) == {"predictions_stored": 1, "predictions_ambiguous": 1}


@pytest.mark.parametrize(
    ("entity", "content"),
    [(ENTITY, b""), (ENTITY, b"\xc1"), ("other", None), ("not a name", None)],
)
def test_an_unreadable_batch_is_rejected_and_its_neighbours_are_stored(
    served: Running, entity: str, content: bytes | None
) -> None:
    good, bad = rows_of([a_prediction("x")])[0], rows_of([a_prediction("y")], 2)[0]
    bad.predictions.monitored_entity = entity
    if content is not None:
        bad.predictions.content = content
    reply = served.sender().send([good, bad])
    assert [one.sequence for one in reply.rejected] == [2]
    assert served.get("predictions", entity=ENTITY)["rows"] == 1


def test_predictions_travel_beside_samples(served: Running) -> None:
    sender = served.sender()
    sender.ship(feature_sample([1.0]))
    assert not sender.send(rows_of([a_prediction("x")], 2)).rejected
    assert served.get("predictions", entity=ENTITY)["rows"] == 1
    assert len(served.get("samples", entity=ENTITY, summary="input.amount")["samples"]) == 1


def test_predictions_are_erased_by_id_or_by_subject(served: Running) -> None:
    records = [a_prediction(f"id-{at}", subject="ann" if at else "bob") for at in range(4)]
    served.sender().send(rows_of(records))
    path = "/api/v1/predictions"
    one = served.http.delete(path, params={"entity": ENTITY, "id": ["id-0", "id-1", "nothing"]})
    assert one.json() == {"erased": 2}
    about = served.http.delete(f"{path}/subject", params={"entity": ENTITY, "subject": "ann"})
    assert about.json() == {"erased": 2}
    assert served.get("predictions", entity=ENTITY)["rows"] == 0
    assert counts(served)["predictions_erased"] == 4
