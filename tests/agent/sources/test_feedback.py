"""Feedback names the prediction that it is about, and its true output, where both are known."""

import json

import pytest

from nilometer.predictions import ground_truth_from_bytes
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer_agent.engine.predictions import TruthBatch
from nilometer_agent.sources.events import feedback
from nilometer_agent.sources.events.feedback import TYPE, Feedback, Taken
from nilometer_agent.sources.events.message import Event

CLASSES = {"data": {"names": ["label"], "ndarray": [["spam"], ["ham"]]}}
IN_BODY = {"response": {"meta": {"puid": "in the body"}}}
AT = "2026-01-02T03:04:05Z"
AT_NS = 1_767_323_045_000_000_000


def event(told: object, number: int = 1, **attributes: str) -> Event:
    """Return a feedback event about the prediction `of the event`."""
    known = {"id": f"e-{number}", "type": TYPE, "requestid": "of the event", **attributes}
    return Event(known, "application/json", json.dumps(told).encode())


def shipped(held: Feedback) -> list[tuple[object, ...]]:
    """Return the ground truth that is passed to the engine."""
    return [
        (one.prediction_id, one.row, one.value, one.known_ns)
        for _, batch in held.batches()
        if isinstance(batch, TruthBatch)
        for one in ground_truth_from_bytes(batch.ground_truth)
    ]


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ({"truth": CLASSES}, [("of the event", 0, "spam", 0), ("of the event", 1, "ham", 0)]),
        ({**IN_BODY, "truth": {"label": 1.0}}, [("in the body", 0, 1.0, 0)]),
        ({"truth": {"label": 1.0, "other": 2.0}, "reward": 0.5}, []),  # which is the output?
        ({"truth": {"data": {"ndarray": [[1.0, 2.0]]}}}, []),
        ({"truth": {"label": None}, "reward": 1}, []),
        ({"truth": {"label": 2**70}}, [("of the event", 0, float(2**70), 0)]),
        ({"truth": {"label": 2**63}}, [("of the event", 0, 2**63, 0)]),
        ({"truth": {"label": -(2**63) - 1}}, [("of the event", 0, float(-(2**63)), 0)]),
        ({"reward": 0.5}, []),
    ],
    ids=[
        "rows",
        "id in the body",
        "two columns",
        "two values",
        "missing",
        "large",
        "64 bits",
        "negative",
        "a reward",
    ],
)
def test_one_column_is_the_true_output(
    told: dict[str, object], rows: list[tuple[object, ...]]
) -> None:
    held = Feedback(SteppedClock())
    assert held.take(event(told), "iris", Labels()) is Taken.NEW
    assert shipped(held) == rows
    assert shipped(held) == []


def test_the_time_of_the_event_says_which_feedback_is_later() -> None:
    held = Feedback(SteppedClock())
    held.take(event({"truth": {"label": 1.0}}, time=AT), "iris", Labels())
    assert shipped(held) == [("of the event", 0, 1.0, AT_NS)]


def test_without_an_id_it_is_profiled_only() -> None:
    held = Feedback(SteppedClock())
    told = event({"truth": {"label": 1.0}}, requestid="")
    assert held.take(told, "iris", Labels()) is Taken.NEW
    ((_, batch),) = held.batches()
    assert len(batch.partials) == 1
    assert not isinstance(batch, TruthBatch)


def test_large_feedback_is_passed_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MAX_BATCH_ROWS", 2)
    monkeypatch.setattr(feedback, "MAX_READY", 5)
    held = Feedback(SteppedClock())
    told = {"truth": {"data": {"names": ["label"], "ndarray": [[float(i)] for i in range(5)]}}}
    assert held.take(event(told), "iris", Labels()) is Taken.NEW
    assert held.is_full
    assert [row for _, row, _, _ in shipped(held)] == list(range(5))
    assert not held.is_full
