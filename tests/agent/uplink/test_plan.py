from pathlib import Path

import pytest
from support.outside import MOST, OUTSIDE

from nilometer.profile.bin_sums import Summed
from nilometer.profile.schema import Schema
from nilometer.profile.summed_outputs import SummedOutputs, Wish
from nilometer.testing import SteppedClock, registered
from nilometer.values.privacy import BY_DEFAULT, MAX_SUPPRESS_BELOW, Disclosure, Privacy
from nilometer.wire.alerts import MAX_PLAN_ENTITIES, plan_to_wire
from nilometer.wire.references import reference_to_wire, with_digest
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper
from nilometer_collector.testing import ENTITY, a_reference, an_alerter


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
    for at in range(MAX_PLAN_ENTITIES + 10):
        plans.see(f"e{at}")
    assert len(plans.entities) == MAX_PLAN_ENTITIES
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


def test_an_entity_that_the_agent_may_not_ship_is_logged_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_to_wire([], [an_alerter()])
    plan.forbidden_entities.append("foreign")
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, OnePlan(plan))
    plans.see("foreign")
    assert plans.refresh()
    assert plans.refresh()
    told = [one.__dict__["entity"] for one in caplog.records if "may not ship" in one.message]
    assert told == ["foreign"]
    assert plans.active.alerters(ENTITY, "input.amount")
    buffer.close()


def test_an_alerter_that_the_agent_does_not_know_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does one without a parameter that its condition needs."""
    reference = with_digest(a_reference({"input.amount": [1.0, 2.0]}))
    with registered(OUTSIDE):
        plan = plan_to_wire([reference_to_wire(reference)], [MOST, an_alerter()])
    buffer = Buffer(tmp_path / "agent.db")
    plans = PlanKeeper(buffer, OnePlan(plan))
    plans.see(ENTITY)
    assert plans.refresh()
    assert plans.active.alerters(ENTITY, "input.amount") == [an_alerter()]
    assert list(plans.active.references(ENTITY)) == ["training"]
    with registered(OUTSIDE):
        kept = PlanKeeper(buffer, None)
        assert kept.active.alerters(ENTITY, "input.amount") == [MOST, an_alerter()]
        del plan.alerters[0].numbers["values_allowed"]
        assert plans.refresh()
    assert plans.active.alerters(ENTITY, "input.amount") == [an_alerter()]
    buffer.close()
    (first, second) = (record for record in caplog.records if "alerter ignored" in record.message)
    assert first.__dict__["alerter"] == second.__dict__["alerter"] == "most"
    assert "values_allowed" in second.__dict__["reason"]


@pytest.mark.parametrize("own", Privacy)
@pytest.mark.parametrize("asked_for", Privacy)
def test_a_collector_tightens_what_is_told_and_loosens_nothing(
    tmp_path: Path, own: Privacy, asked_for: Privacy
) -> None:
    """Nor does it after a restart, while the collector is away."""
    buffer = Buffer(tmp_path / "agent.db")
    plan = plan_to_wire([], [], b"", Disclosure(asked_for, 7))
    plans = PlanKeeper(buffer, OnePlan(plan), disclosure=Disclosure(own, 3))
    plans.see(ENTITY)
    assert plans.active.disclosure == Disclosure(own, 3)
    assert plans.refresh()
    expected = Disclosure(own, 3).tightened(Disclosure(asked_for, 7))
    assert plans.active.disclosure == expected
    kept = PlanKeeper(buffer, None, disclosure=Disclosure(own, 3))
    assert kept.active.disclosure == expected
    buffer.close()


def test_a_level_that_the_agent_does_not_know_means_the_strictest(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    plan = plan_to_wire([], [])
    assert (plan.privacy, plan.suppress_below) == ("", 0)  # as from a collector of before
    plan.privacy, plan.suppress_below = "sealed", 1 << 63
    plans = PlanKeeper(buffer, OnePlan(plan))
    plans.see(ENTITY)
    assert plans.refresh()
    assert plans.active.disclosure == Disclosure(Privacy.STRICT, MAX_SUPPRESS_BELOW)
    buffer.close()


def test_which_names_are_readable_at_which_level(tmp_path: Path) -> None:
    allowed = ("input.country",)
    for privacy, readable in (
        (Privacy.OPEN, {"input.country", "input.city"}),
        (Privacy.POD, {"input.country"}),
        (Privacy.STRICT, set()),
    ):
        rules = ActivePlan([], [], disclosure=Disclosure(privacy))
        found = {
            summary
            for summary in ("input.country", "input.city")
            if rules.spec("e", summary, allowed).readable
        }
        assert found == readable


def test_summaries_of_references_and_of_the_declared_schema_are_declared(tmp_path: Path) -> None:
    reference = with_digest(a_reference({"input.amount": [1.0, 2.0]}))
    buffer = Buffer(tmp_path / "agent.db")
    declared = {ENTITY: Schema.declared({"input.country": "string"})}
    plans = PlanKeeper(
        buffer, OnePlan(plan_to_wire([reference_to_wire(reference)], [])), declared=declared
    )
    assert plans.active.declared(ENTITY) == {"input.country"}
    plans.see(ENTITY)
    assert plans.refresh()
    assert plans.active.declared(ENTITY) == {"input.country", "input.amount"}
    assert plans.active.declared("another") == frozenset()
    buffer.close()


def summed_by(
    directory: Path, wish: Wish, *, asked: bool, disclosure: Disclosure = BY_DEFAULT
) -> dict[str, Summed | None]:
    """How an agent with that wish sums each output, after a plan that asks for sums or does not."""
    columns = {
        "input.amount": [1.0, 2.0, 3.0],
        "output.bonus": [10.0, 20.0, 30.0],
        "output.score": [0.25, 0.5, 0.75],
    }
    plan = plan_to_wire([reference_to_wire(a_reference(columns))], [], prediction_sums=asked)
    buffer = Buffer(directory / "agent.db")
    plans = PlanKeeper(
        buffer, OnePlan(plan), disclosure=disclosure, summed=SummedOutputs(wish=wish)
    )
    plans.see(ENTITY)
    assert plans.refresh()
    buffer.close()
    return {name: plans.active.spec(ENTITY, name, ()).summed for name in columns}


def test_predictions_are_summed_where_it_is_wanted(tmp_path: Path) -> None:
    cases: list[tuple[Wish, bool]] = [("auto", True), ("auto", False), ("on", False), ("off", True)]
    found = {
        (wish, asked): [name for name, how in summed_by(tmp_path, wish, asked=asked).items() if how]
        for wish, asked in cases
    }
    assert found == {
        ("auto", True): ["output.score"],
        ("auto", False): [],
        ("on", False): ["output.score"],
        ("off", True): [],
    }


def test_a_strict_agent_sums_published_values_only(tmp_path: Path) -> None:
    summed = summed_by(tmp_path, "on", asked=True, disclosure=Disclosure(Privacy.STRICT))
    how = summed["output.score"]
    assert how is not None
    assert how.is_public


class Away(OnePlan):
    """A collector that answers only while it is not away."""

    is_away = False

    def GetPlan(self, request: GetPlanRequest, timeout: float) -> Plan:
        if self.is_away:
            raise OSError("no route")
        return super().GetPlan(request, timeout)


def test_an_agent_is_cut_off_after_three_windows_without_an_answer(tmp_path: Path) -> None:
    buffer, clock = Buffer(tmp_path / "agent.db"), SteppedClock()
    collector = Away(plan_to_wire([], [an_alerter()]))
    plans = PlanKeeper(buffer, collector, clock=clock)
    plans.see(ENTITY)
    assert plans.refresh()
    assert plans.active.collector_judges
    clock.step(3600)  # nobody asked in this time
    assert not plans.is_cut_off(60)
    collector.is_away = True
    for _ in range(3):
        assert not plans.refresh()
        assert not plans.is_cut_off(60)
        assert plans.outages == 1
        clock.step(60)
    assert plans.is_cut_off(60)
    assert not plans.is_cut_off(300)
    collector.is_away = False
    assert plans.refresh()
    assert not plans.is_cut_off(60)
    collector.is_away = True
    assert not plans.refresh()
    assert plans.outages == 2
    buffer.close()


def test_the_plan_of_an_older_collector_lets_agents_judge(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    plan = plan_to_wire([], [an_alerter()])
    plan.judges = False
    plans = PlanKeeper(buffer, OnePlan(plan))
    plans.see(ENTITY)
    assert plans.refresh()
    assert not plans.active.collector_judges
    buffer.close()
