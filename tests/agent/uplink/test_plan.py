from pathlib import Path

import pytest
from support.outside import MOST, OUTSIDE

from nilometer.testing import registered
from nilometer.wire.alerts import plan_to_wire
from nilometer.wire.references import with_digest
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.plan import MAX_ENTITIES, PlanKeeper
from nilometer_collector.testing import ENTITY, a_reference, a_rule


def test_a_keeper_without_a_collector_does_not_stay_wanted(tmp_path: Path) -> None:
    """The thread that refreshes waits for the event: set for ever, it would spin on a core."""
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, None)
    plans.see("scorer")
    assert plans.wanted.is_set()
    assert not plans.refresh()
    assert not plans.wanted.is_set()
    buffer.close()


def test_rules_are_asked_for_so_many_entities_and_no_more(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, None)
    for at in range(MAX_ENTITIES + 10):
        plans.see(f"e{at}")
    assert len(plans.entities) == MAX_ENTITIES
    buffer.close()


class OnePlan:
    """A collector that answers one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def GetPlan(self, request: GetPlanRequest, timeout: float) -> Plan:
        return self._plan

    def Ship(self, request: object, timeout: float) -> object:
        raise NotImplementedError

    def probe(self) -> tuple[Reach, str]:
        raise NotImplementedError


def test_an_alerter_that_the_agent_does_not_know_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does one without a parameter that its condition needs."""
    reference = with_digest(a_reference({"input.amount": [1.0, 2.0]}))
    with registered(OUTSIDE):
        plan = plan_to_wire([reference], [MOST, a_rule()])
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, OnePlan(plan))
    plans.see(ENTITY)
    assert plans.refresh()
    assert plans.rules.alerters(ENTITY, "input.amount") == [a_rule()]
    assert list(plans.rules.references(ENTITY)) == ["training"]
    with registered(OUTSIDE):
        kept = PlanKeeper(buffer, None)
        assert kept.rules.alerters(ENTITY, "input.amount") == [MOST, a_rule()]
        del plan.alerters[0].numbers["values_allowed"]
        assert plans.refresh()
    assert plans.rules.alerters(ENTITY, "input.amount") == [a_rule()]
    buffer.close()
    (first, second) = (record for record in caplog.records if "left out" in record.message)
    assert first.__dict__["alerter"] == second.__dict__["alerter"] == "most"
    assert "values_allowed" in second.__dict__["reason"]
