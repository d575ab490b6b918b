"""A collector whose own clock is wrong loses no rows: their agents keep them until it is set."""

import dataclasses
from pathlib import Path

import grpc
import pytest
from support.predicted import a_prediction

from nilometer.predictions import GroundTruth, batch_to_bytes, batches_of, ground_truth_to_bytes
from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.senders import TABLES
from nilometer.values.window import Window
from nilometer.wire.services import Row
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    Sender,
    feature_sample,
    minute,
    running,
)

DAY_NS = 86_400 * 10**9


def at(ns: int) -> SummarySample:
    """Return a sample of the minute before *ns*."""
    return dataclasses.replace(feature_sample([1.0]), window=Window(ns - 60 * 10**9, ns))


def is_postponed(sender: Sender, *samples: SummarySample) -> bool:
    """Return whether the agent must ship *samples* again; none of them is rejected."""
    try:
        reply = sender.ship(*samples)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "2023-" in (error.details() or "")
        return True
    assert not reply.rejected
    return False


def stored(served: Running) -> int:
    found = served.get("samples", entity=ENTITY, summary="input.amount", step=60)
    return len(found["samples"])


def test_a_fresh_collector_whose_clock_is_behind_gets_all_rows_when_it_is_set(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SteppedClock(wall_ns=START_NS - 2 * DAY_NS)
    with running(tmp_path / "c.db", clock=clock) as served:
        for agent in ("pod-1", "pod-2"):
            assert is_postponed(served.sender(agent), feature_sample([1.0], window=minute(0)))
        counts = served.http.get("/readyz").json()["counters"]
        assert (counts["shipments_postponed"], counts["rows_rejected"]) == (2, 0)
        clock.wall_ns += 2 * DAY_NS
        for agent in ("pod-1", "pod-2"):
            assert not is_postponed(served.sender(agent), feature_sample([1.0], window=minute(0)))
    (told,) = (one for one in caplog.records if "clock may be behind" in one.message)
    assert "2023-11-14" in told.__dict__["reason"]
    assert "2023-11-12" in told.__dict__["reason"]


def test_a_clock_that_was_set_back_loses_no_rows(tmp_path: Path) -> None:
    clock = SteppedClock(wall_ns=START_NS)
    with running(tmp_path / "c.db", clock=clock) as served:
        sender = served.sender()
        assert not is_postponed(sender, at(START_NS))
        clock.wall_ns -= 2 * DAY_NS
        assert is_postponed(sender, at(START_NS + 60 * 10**9))


def test_a_backlog_does_not_confirm_a_clock_that_is_behind(tmp_path: Path) -> None:
    """The allowed rows are stored, and the later ones wait, also if one call has both."""
    clock = SteppedClock(wall_ns=START_NS - 2 * DAY_NS)
    backlog = [at(START_NS - hours * 3600 * 10**9) for hours in range(72, -1, -6)]
    with running(tmp_path / "c.db", clock=clock) as served:
        sender = served.sender()
        assert is_postponed(sender, *backlog)
        assert stored(served) == 9
        clock.wall_ns = START_NS
        sender.sequence = 0
        assert not is_postponed(sender, *backlog)
        assert stored(served) == len(backlog)


def test_an_agent_alone_goes_on_when_its_clock_is_set(tmp_path: Path) -> None:
    """Its rows from the future are older in its outbox than all that it measures since."""
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=START_NS)) as served:
        sender = served.sender()
        early = at(START_NS + 3 * DAY_NS)
        sender.now_ns = START_NS + 3 * DAY_NS
        assert is_postponed(sender, early)
        sender.now_ns, sender.sequence = START_NS + 60 * 10**9, 0
        assert len(sender.ship(early).rejected) == 1


def test_an_agent_whose_clock_is_behind_too_does_not_refute_what_is_stored(tmp_path: Path) -> None:
    clock = SteppedClock(wall_ns=START_NS)
    with running(tmp_path / "c.db", clock=clock) as served:
        sender = served.sender()
        assert not is_postponed(sender, at(START_NS))
        clock.wall_ns -= 2 * DAY_NS  # of the machine that both share
        sender.now_ns = clock.wall_ns
        assert is_postponed(sender, at(START_NS + 60 * 10**9))


def test_a_row_is_rejected_that_no_clock_can_explain(tmp_path: Path) -> None:
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=START_NS)) as served:
        reply = served.sender().ship(at(START_NS + 40 * 365 * DAY_NS))
        assert len(reply.rejected) == 1


def test_predictions_and_ground_truth_from_the_future_wait_or_are_refused(tmp_path: Path) -> None:
    """One of them must not become the newest prediction of its entity for years."""
    clock = SteppedClock(wall_ns=START_NS)
    late_ns = START_NS + 2 * DAY_NS
    batches = batches_of([a_prediction("x", time_ns=late_ns), a_prediction("y", time_ns=START_NS)])
    rows = [Row(sequence=at) for at in (1, 2)]
    for row in rows:
        row.predictions.monitored_entity = ENTITY
    rows[0].predictions.content = batch_to_bytes(next(iter(batches)))
    truths = [GroundTruth("y", 0, "spam", late_ns), GroundTruth("y", 0, "ham", START_NS)]
    rows[1].predictions.ground_truth = ground_truth_to_bytes(truths)
    with running(tmp_path / "c.db", clock=clock) as served:
        declared = {"entity": ENTITY, "task": "classes", "predicted": "class", "step_seconds": 300}
        apply = {"version": 1, "performance": [declared]}
        served.http.post("/api/v1/apply", json=apply).raise_for_status()
        with pytest.raises(grpc.RpcError):
            served.sender().send(rows)
        assert served.get("predictions", entity=ENTITY)["rows"] == 0
        assert served.get("ground-truth", entity=ENTITY)["counts"] == {}
        assert not is_postponed(served.sender("pod-2"), at(START_NS))
        reply = served.sender().send(rows)
        (refused,) = reply.refused_predictions
        assert (refused.rows, "future" in refused.reason) == (1, True)
        assert served.get("predictions", entity=ENTITY)["rows"] == 1
        body = {"entity": ENTITY, "rows": [{"id": "y", "value": "ham", "known": late_ns / 1e9}]}
        answer = served.http.post("/api/v1/ground-truth", json=body)
        assert answer.json()["counts"] == {"from_future": 1}
        counts = served.get("ground-truth", entity=ENTITY)["counts"]
        assert counts == {"joined": 1, "from_future": 2}
        (entity,) = served.get("entities")["entities"]
        assert entity["last_seen"] < late_ns / 1e9


def test_rows_of_tables_are_rejected_because_their_sender_keeps_them(tmp_path: Path) -> None:
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=START_NS)) as served:
        reply = served.sender(TABLES).ship(at(START_NS + 2 * DAY_NS))
        assert len(reply.rejected) == 1


@pytest.mark.parametrize("sent_ns", [0, DAY_NS], ids=["older agent", "agent with the same clock"])
@pytest.mark.parametrize("now_ns", [3600 * 10**9, DAY_NS], ids=["first hour", "second day"])
def test_a_clock_that_was_never_set_rejects_nothing(
    tmp_path: Path, now_ns: int, sent_ns: int
) -> None:
    """No agent confirms such a clock: neither one that tells no time, nor one that shares it."""
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=now_ns)) as served:
        sender = served.sender()
        sender.now_ns = sent_ns
        assert is_postponed(sender, at(START_NS))
