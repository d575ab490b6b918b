"""A collector whose own clock is wrong loses no rows: their agents keep them until it is set."""

import dataclasses
from pathlib import Path

import grpc
import pytest

from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.window import Window
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


def test_a_row_is_rejected_that_no_clock_can_explain(tmp_path: Path) -> None:
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=START_NS)) as served:
        reply = served.sender().ship(at(START_NS + 40 * 365 * DAY_NS))
        assert len(reply.rejected) == 1


def test_a_clock_that_was_never_set_rejects_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "c.db", clock=SteppedClock(wall_ns=DAY_NS)) as served:
        assert is_postponed(served.sender(), at(START_NS))
