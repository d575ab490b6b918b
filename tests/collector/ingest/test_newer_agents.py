"""Each agent is examined now and then, and one line an hour says that agents are newer."""

import pytest
from support.recorded import as_newer

from nilometer.testing import SteppedClock
from nilometer.wire.services import ShipRequest
from nilometer_collector.ingest import newer_agents
from nilometer_collector.ingest.newer_agents import EXAMINED_SECONDS, NewerAgents


def test_a_newer_agent_is_counted_each_time_and_told_once_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SteppedClock()
    seen = NewerAgents(clock)
    newer, known = as_newer(ShipRequest(agent="new")), ShipRequest(agent="known")
    assert [seen.see(one) for one in (newer, known, newer)] == [True, False, False]
    clock.step(EXAMINED_SECONDS)
    assert [seen.see(one) for one in (known, newer)] == [False, True]
    assert len(caplog.records) == 1
    clock.step(3600)
    assert seen.see(newer)
    assert len(caplog.records) == 2


def test_agents_beyond_the_bound_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newer_agents, "MAX_AGENTS", 2)
    seen = NewerAgents(SteppedClock())
    requests = [as_newer(ShipRequest(agent=str(at))) for at in range(3)]
    assert [seen.see(one) for one in [*requests, requests[2], requests[0]]] == [
        *[True] * 3,
        False,
        True,
    ]
