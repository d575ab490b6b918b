from pathlib import Path

from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.plan import PlanKeeper


def test_a_keeper_without_a_collector_does_not_stay_wanted(tmp_path: Path) -> None:
    """The thread that refreshes waits for the event: set for ever, it would spin on a core."""
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, None)
    plans.see("scorer")
    assert plans.wanted.is_set()
    assert not plans.refresh()
    assert not plans.wanted.is_set()
    buffer.close()
