from dataclasses import replace

import pytest

import nilometer_agent.measure.entities as module
from nilometer.alert import Verdict
from nilometer.profile.magnitudes import magnitudes
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.wire.frames import Cost
from nilometer_agent.measure.entities import Entities
from nilometer_collector.testing import (
    ENTITY,
    an_alerter,
    an_evaluation,
    feature_sample,
    service_sample,
)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def entities(clock: SteppedClock) -> Entities:
    return Entities(60.0, clock)


def test_label_sets_windows_and_workers_add_up(entities: Entities) -> None:
    latencies = [0.001, 0.002, 0.004]
    for at in range(200):  # more than wait for one merge
        decoded = service_sample(latencies, failed=1)
        made = replace(decoded, labels=Labels.of(region=str(at)))
        entities.committed([decoded, feature_sample([1.0])], [made])
    (state,) = entities.states()
    assert state.entity == ENTITY
    assert state.outcomes == {"ok": 800, "server_error": 400}
    assert (state.coverage.profiled, state.coverage.seen) == (800, 1200)
    assert state.latency == magnitudes(latencies * 400)


def test_a_worker_that_tells_nothing_any_more_counts_no_more(
    entities: Entities, clock: SteppedClock
) -> None:
    dear = Cost(cpu_seconds=2.0, requests=10, p99_seconds=3e-4, share=0.25)
    entities.cost(ENTITY, Labels(), b"dear", dear)
    clock.step(module.COST_SECONDS - 1)
    entities.cost(
        ENTITY,
        Labels(),
        b"cheap",
        Cost(cpu_seconds=1.0, requests=5, p99_seconds=1e-4, share=1),
    )
    (both,) = entities.states()
    assert (both.added_p99_seconds, both.share) == (3e-4, 0.25)
    clock.step(2)
    (left,) = entities.states()
    assert (left.added_p99_seconds, left.share) == (1e-4, 1.0)
    assert (left.cpu_seconds, left.cost_requests) == (3.0, 15)  # what was spent stays spent


def test_the_newest_verdict_counts_and_the_worst_are_told(
    entities: Entities, clock: SteppedClock
) -> None:
    for number in range(12):
        summary = f"input.x{number}"
        entities.closed([], [an_evaluation(9.0, 0, summary=summary)])
        entities.closed([], [an_evaluation(0.1 * number, 1, summary=summary)])
    entities.closed([], [an_evaluation(5.0, 1, summary="input.y", verdict=Verdict.NOT_JUDGED)])
    (state,) = entities.states()
    threshold = an_alerter().condition.threshold or 0.0
    assert state.judged == 12
    assert state.breaches == sum(0.1 * number > threshold for number in range(12))
    assert [one.summary for one in state.worst[:2]] == ["input.x11", "input.x10"]
    assert len(state.worst) == module.WORST
    breach, far = state.worst[0].severity
    assert breach
    assert far == pytest.approx(1.1 / threshold)
    clock.step(module.JUDGED_SECONDS + 1)
    (later,) = entities.states()
    assert (later.judged, later.worst) == (0, ())


def test_numbers_are_bounded(entities: Entities, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTITIES", 3)
    monkeypatch.setattr(module, "MAX_JUDGED", 5)
    for number in range(10):
        entities.committed([replace(service_sample([0.1]), entity=f"e{number}")], [])
        alerter = an_alerter(entity="e0", name=f"r{number}")
        entities.closed([], [an_evaluation(1.0, 0, alerter=alerter)])
    states = entities.states()
    assert [state.entity for state in states] == ["e0", "e1", "e2"]
    assert states[0].judged == 5
