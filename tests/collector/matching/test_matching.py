"""Ground truth that comes before its predictions is joined later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.predicted import log_predictions
from support.rolling import DAY_NS
from support.truths import BINARY, NOW_NS, a_truth, scored, tell

from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.declared.applying import By, apply, remove_one
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.performance import PerformanceObjects, performance_key
from nilometer_collector.declared.registered import document_of
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import Outcome
from nilometer_collector.matching.matching import Matching
from nilometer_collector.store import Origin, Store, open_store
from nilometer_collector.testing import ENTITY

AUTHOR = By("test", Origin.API)
DECLARED = {
    "version": 1,
    "performance": [{"entity": ENTITY, "task": "binary", "score": "score"}],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a declared performance."""
    found = open_store(tmp_path / "state" / "collector.db", "")
    apply(DeclareContext(found), document_of(DECLARED), AUTHOR, NOW_NS)
    yield found
    found.close()


def test_a_waiting_label_is_joined_when_its_prediction_arrives(store: Store) -> None:
    clock, counters = SteppedClock(), Counters()
    clock.wall_ns = NOW_NS
    matching = Matching(store, clock, counters, 10 * DAY_NS)
    tell(store, [a_truth(f"id-{at}") for at in range(3)])
    assert matching.step() == 0  # none is due
    clock.wall_ns += 2 * NANOSECONDS
    assert matching.step() == 3
    assert store.truths.totals(ENTITY).waiting == 3
    log_predictions(store, scored(2))
    clock.wall_ns += 60 * NANOSECONDS
    assert matching.step() == 3
    totals = store.truths.totals(ENTITY)
    assert (totals.counts, totals.waiting) == ({Outcome.JOINED: 2}, 1)
    clock.wall_ns += 20 * DAY_NS
    assert matching.step() == 1 + 2 + 1 + 1  # a label gives up; 2 labels, a window and a chunk go
    assert store.truths.totals(ENTITY).counts[Outcome.UNKNOWN] == 1
    assert counters.read()[Counter.LABELS_RETIRED] == 4


def test_labels_wait_on_while_their_performance_is_not_declared(store: Store) -> None:
    clock = SteppedClock()
    clock.wall_ns = NOW_NS + 60 * NANOSECONDS
    tell(store, [a_truth("id-0")], definition=BINARY)
    log_predictions(store, scored(1))
    kind = PerformanceObjects()
    key = performance_key(ENTITY)
    remove_one(DeclareContext(store), kind, key, kind.remove(key), AUTHOR, NOW_NS)
    matching = Matching(store, clock, Counters(), 10 * DAY_NS)
    assert matching.step() == 0
    apply(DeclareContext(store), document_of(DECLARED), AUTHOR, NOW_NS)
    assert matching.step() == 1
    assert store.truths.totals(ENTITY).counts == {Outcome.JOINED: 1}


def test_an_entity_whose_join_fails_does_not_stop_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, other = SteppedClock(), f"a-{ENTITY}"  # the failing entity comes first
    clock.wall_ns = NOW_NS + 60 * NANOSECONDS
    declared = [{"entity": name, "task": "binary", "score": "score"} for name in (ENTITY, other)]
    apply(
        DeclareContext(store), document_of({"version": 1, "performance": declared}), AUTHOR, NOW_NS
    )
    tell(store, [a_truth("id-0")])
    tell(store, [a_truth("id-0")], definition=replace(BINARY, entity=other))
    log_predictions(store, scored(1))
    joined = store.truths.join_waiting

    def fails_for_other(definition: PerformanceDefinition, now_ns: int, limit: int) -> int:
        if definition.entity == other:
            raise ValueError("a defect")
        return joined(definition, now_ns, limit)

    monkeypatch.setattr(store.truths, "join_waiting", fails_for_other)
    assert Matching(store, clock, Counters(), 10 * DAY_NS).step() == 1
    assert store.truths.totals(ENTITY).counts == {Outcome.JOINED: 1}
    assert "internal error in a join" in caplog.text
