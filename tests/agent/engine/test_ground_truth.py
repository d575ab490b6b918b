"""Ground truth is shipped where predictions are logged, with the commit that holds its batch."""

from pathlib import Path

import pytest
from support.engine_rig import Rig

from nilometer.predictions import GroundTruth, ground_truth_from_bytes, ground_truth_to_bytes
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.wire.services import Row
from nilometer_agent.engine import predictions
from nilometer_agent.engine.predictions import TruthBatch
from nilometer_agent.measure.counters import Counter
from nilometer_agent.measure.laws import broken
from nilometer_agent.uplink.plan import ActivePlan

TRUTH = [GroundTruth("x", 0, "spam"), GroundTruth("x", 1, 1.5), GroundTruth("x", 2, True)]  # noqa: FBT003  # a value


def given(rig: Rig, content: bytes, sequence: int = 1) -> None:
    """Give the engine ground truth."""
    rig.give(TruthBatch(worker=b"w", sequence=sequence, entity="tested", ground_truth=content))
    rig.commit()


def shipped(rig: Rig) -> list[list[GroundTruth]]:
    """Return the rows of each message that the collector would get."""
    waiting, corrupt = rig.buffer.oldest_predictions(1000, 1 << 30)
    assert not corrupt
    found = []
    for one in waiting:
        message = Row()
        message.predictions.MergeFromString(rig.buffer.seal.open(one.payload))
        assert message.predictions.monitored_entity == "tested"
        found.append(ground_truth_from_bytes(message.predictions.ground_truth))
        assert one.observations == len(found[-1])
    return found


def test_it_waits_for_the_collector_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "ROWS_OF_A_BATCH", 2)
    rig = Rig(tmp_path, prediction_log=("tested",))
    for _ in range(2):  # the second time it is a repetition
        given(rig, ground_truth_to_bytes(TRUTH))
    assert shipped(rig) == [TRUTH[:2], TRUTH[2:]]
    figures = rig.buffer.gauges() | rig.buffer._counters.snapshot()
    assert figures["predictions_in_outbox"] == 3
    assert not [one for one in broken([figures]) if "predictions" in str(one)]
    rig.buffer.close()


def test_long_texts_are_shipped_in_rows_that_the_collector_takes(tmp_path: Path) -> None:
    long = [GroundTruth("x" * 256, row, "é" * 1024) for row in range(400)]
    rig = Rig(tmp_path, prediction_log=("tested",))
    given(rig, ground_truth_to_bytes(long))
    parts = shipped(rig)
    assert [one for part in parts for one in part] == long
    sizes = [len(one.payload) for one in rig.buffer.oldest_predictions(1000, 1 << 30)[0]]
    assert max(sizes) <= predictions.MOST_BYTES
    rig.buffer.close()


def test_nothing_is_shipped_where_predictions_are_not_logged(tmp_path: Path) -> None:
    strict = ActivePlan([], [], disclosure=Disclosure(Privacy.STRICT))
    for at, (logs, plan) in enumerate((((), None), (("other",), None), (("tested",), strict))):
        rig = Rig(tmp_path / str(at), prediction_log=logs)
        if plan is not None:
            rig.engine._plans.active = plan
        given(rig, ground_truth_to_bytes(TRUTH))
        assert shipped(rig) == []
        left_out = {} if plan is None else {"privacy": len(TRUTH)}
        assert rig.counters.reasons(Counter.PREDICTIONS_LEFT_OUT) == left_out
        rig.buffer.close()


def test_unreadable_ground_truth_harms_nothing_else(tmp_path: Path) -> None:
    rig = Rig(tmp_path, prediction_log=("tested",))
    given(rig, b"\xc1")
    given(rig, ground_truth_to_bytes(TRUTH), sequence=2)
    assert shipped(rig) == [TRUTH]
    rig.buffer.close()
