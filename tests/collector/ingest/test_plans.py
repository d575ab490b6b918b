"""Plans stay small enough for agents, whatever is stored."""

from dataclasses import replace

import pytest

from nilometer.profile.reference import LEARNED
from nilometer.testing import SteppedClock
from nilometer.values.privacy import LAXEST
from nilometer.wire.alerts import MAX_PLAN_ENTITIES
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import GetPlanRequest
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
    # Names differ by a few bytes, so a reference more has room only if there is room for its size.
    monkeypatch.setattr(module, "MOST_BYTES", fitting * SIZE + SIZE // 2)
    clock = SteppedClock()
    plans = Plans(store, clock, LAXEST, Handing(store, clock, ()), prediction_sums=False)
    plan = plans.made([ENTITY], baselines=True)
    assert {one.name for one in plan.references} == names
    assert len(plan.alerters) == 1
    assert ("reference is not handed to an agent" in caplog.text) == (fitting < 3)
    assert "baselines" not in caplog.text
    assert plans.made([ENTITY], baselines=True).version == plan.version


def test_an_agent_of_most_entities_gets_its_plan(served: Running) -> None:
    entities = [f"entity-{number}" for number in range(MAX_PLAN_ENTITIES)]
    assert served.stub.GetPlan(GetPlanRequest(entities=entities), timeout=60).version
