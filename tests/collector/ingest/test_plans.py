"""Plans stay small enough for agents, whatever is stored."""

from dataclasses import replace

import pytest

from nilometer.profile.reference import LEARNED
from nilometer.testing import SteppedClock
from nilometer.values.privacy import LAXEST
from nilometer.wire.alerts import MAX_PLAN_ENTITIES
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import GetPlanRequest
from nilometer_agent.uplink.plan import DEADLINE_SECONDS
from nilometer_collector.ingest import plans as module
from nilometer_collector.ingest.plans import Plans
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, Running, a_reference, an_alerter
from nilometer_collector.watch.handing import Handing

BASE = a_reference({"input.amount": [1.0, 2.0, 3.0]})
SIZE = reference_to_wire(BASE).ByteSize()


@pytest.mark.parametrize(
    ("fitting", "names"),
    [(3, {"spare", "training", LEARNED}), (2, {"training", LEARNED}), (1, {LEARNED})],
)
def test_references_that_do_not_fit_are_left_out_and_told(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fitting: int,
    names: set[str],
) -> None:
    for name in ("spare", "training", LEARNED):
        store.references.put(replace(BASE, name=name), 1)
    store.alerts.put(an_alerter(), "test", 1)
    clock = SteppedClock()
    plans = Plans(store, clock, LAXEST, Handing(store, clock, ()), prediction_sums=False)
    whole = plans.made([ENTITY], baselines=True)
    # Names differ by a few bytes, so a reference more has room only if there is room for its size.
    most = whole.ByteSize() - (3 - fitting) * SIZE + SIZE // 2
    monkeypatch.setattr(module, "MOST_BYTES", most)
    plan = plans.made([ENTITY], baselines=True)
    assert {one.name for one in plan.references} == names
    assert len(plan.alerters) == 1
    assert ("a plan is too large" in caplog.text) == (fitting < 3)
    assert "baselines" not in caplog.text
    assert plans.made([ENTITY], baselines=True).version == plan.version
    assert (plan.version == whole.version) == (fitting == 3)
    fewer = plans.made([ENTITY], baselines=True, taken=SIZE)
    assert len(fewer.references) == max(fitting - 1, 0)


def test_a_plan_of_too_many_alerters_has_no_reference_and_fits(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.references.put(BASE, 1)
    for number in range(50):
        store.alerts.put(an_alerter(name=f"drift-{number:02}"), "test", 1)
    monkeypatch.setattr(module, "MOST_BYTES", 2000)
    clock = SteppedClock()
    plans = Plans(store, clock, LAXEST, Handing(store, clock, ()), prediction_sums=False)
    plan = plans.made([ENTITY], baselines=True)
    assert 1500 < plan.ByteSize() <= 2000 + len(plan.version) + 2
    assert not plan.references
    (line,) = caplog.records
    assert line.__dict__["alerters"] == 50 - len(plan.alerters)


def test_an_agent_of_most_entities_gets_its_plan(served: Running) -> None:
    entities = [f"entity-{number}" for number in range(MAX_PLAN_ENTITIES)]
    assert served.stub.GetPlan(GetPlanRequest(entities=entities), timeout=DEADLINE_SECONDS).version
