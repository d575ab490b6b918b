"""Ground truth that an agent ships joins the predictions that agents shipped, once."""

from collections.abc import Sequence

import msgspec
import pytest
from support.predicted import a_prediction

from nilometer.predictions import GroundTruth, batch_to_bytes, batches_of, ground_truth_to_bytes
from nilometer.wire.services import Row
from nilometer_collector import received_truth
from nilometer_collector.testing import ENTITY, START_NS, Running

TRUTH = [GroundTruth("x", row, value) for row, value in enumerate(("spam", "ham", "spam"))]


def predictions(sequence: int = 1) -> Row:
    """Return a row of an outbox with three predictions of the class `spam`."""
    (batch,) = batches_of([a_prediction("x", row) for row in range(3)])
    row = Row(sequence=sequence)
    row.predictions.monitored_entity = ENTITY
    row.predictions.content = batch_to_bytes(batch)
    return row


def truth(rows: Sequence[GroundTruth] = TRUTH, sequence: int = 2) -> Row:
    """Return a row of an outbox with ground truth."""
    row = Row(sequence=sequence)
    row.predictions.monitored_entity = ENTITY
    row.predictions.ground_truth = ground_truth_to_bytes(rows)
    return row


def declare(served: Running) -> None:
    """Declare that the column `class` is judged."""
    one = {"entity": ENTITY, "task": "classes", "predicted": "class", "step_seconds": 300}
    served.http.post("/api/v1/apply", json={"version": 1, "performance": [one]}).raise_for_status()


def counts(served: Running) -> dict[str, int]:
    """Return what became of all ground truth."""
    found: dict[str, int] = served.get("ground-truth", entity=ENTITY)["counts"]
    return found


def test_it_is_joined_once_even_if_it_is_shipped_again(served: Running) -> None:
    declare(served)
    sender = served.sender()
    for _ in range(2):
        reply = sender.send([predictions(), truth()])
        assert not reply.rejected
        assert not reply.refused_predictions
    assert counts(served) == {"joined": 3}
    (sample,) = served.get("samples", entity=ENTITY, summary="performance", step=300)["samples"]
    assert sample["performance"]["metrics"]["accuracy_ratio"]["value"] == pytest.approx(2 / 3)


def test_later_feedback_corrects_earlier_feedback(served: Running) -> None:
    declare(served)
    later = [GroundTruth("x", 1, "spam", START_NS)]
    served.sender().send([predictions(), truth(), truth(later, 3)])
    assert counts(served) == {"joined": 3, "corrected": 1}


def test_it_waits_for_its_predictions(served: Running) -> None:
    declare(served)
    served.sender().send([truth()])
    assert served.get("ground-truth", entity=ENTITY)["waiting"] == 3


def test_without_a_declared_performance_it_is_left_out_and_told(served: Running) -> None:
    reply = served.sender().send([predictions(), truth()])
    assert not reply.rejected
    (refused,) = reply.refused_predictions
    assert (refused.sequence, refused.rows) == (2, 3)
    assert "nilometer apply" in refused.reason


def test_an_entity_that_cannot_be_judged_holds_up_no_other_row(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(served)

    def unreadable(*_: object) -> None:
        raise msgspec.ValidationError("of a newer version")

    monkeypatch.setattr(received_truth, "performance_of", unreadable)
    reply = served.sender().send([predictions(), truth()])
    assert not reply.rejected
    (refused,) = reply.refused_predictions
    assert refused.reason == "of a newer version"


def _both() -> Row:
    row = predictions(2)
    row.predictions.ground_truth = ground_truth_to_bytes(TRUTH)
    return row


def _other(content: bytes) -> Row:
    row = truth()
    row.predictions.ground_truth = content
    return row


@pytest.mark.parametrize(
    "bad",
    [_both(), _other(b"\xc1"), _other(b"\x90"), _other(b"\x91\x93\x01\x02\x03"), truth(sequence=0)],
    ids=["both", "no MessagePack", "no rows", "other types", "no sequence"],
)
def test_a_bad_row_is_rejected_and_its_neighbours_are_stored(served: Running, bad: Row) -> None:
    declare(served)
    reply = served.sender().send([predictions(), bad, truth(TRUTH[:1], 3)])
    (rejected,) = reply.rejected
    assert rejected.sequence == bad.sequence
    assert counts(served) == {"joined": 1}
