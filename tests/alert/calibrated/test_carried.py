"""A judge with new baselines goes on with the evidence and the parts of the judge before."""

import numpy as np
from support.judged_windows import BASE_NS, DAY, START_NS, World, judge_of

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState, Judge
from nilometer.alert.calibrated.parts import PartChange
from nilometer.values.labels import Labels

LEARN = 2 * DAY


def moved() -> tuple[World, list[Floats], Judge, EntityState, int]:
    """A judge with an open part of the first of two columns, and evidence for the second."""
    world = World(numbers=2)
    truth = world.truth(LEARN + 40, rows=500)
    truth.mean[0, LEARN:] += 1.0
    counts = world.counts(truth)
    judge = judge_of(world, counts, LEARN)
    state = EntityState()
    state, _ = judge.carried(state, Judge(()), frozenset(), START_NS + LEARN * BASE_NS)
    end_ns = START_NS + LEARN * BASE_NS
    for window in range(LEARN, LEARN + 6):
        end_ns += BASE_NS
        now = {
            PartKey(column.summary): vectors[window]
            for column, vectors in zip(world.columns, counts, strict=True)
        }
        state, _ = judge.advance(state, now, end_ns)
    return world, counts, judge, state, end_ns


def test_a_part_and_the_evidence_go_on() -> None:
    world, counts, judge, state, end_ns = moved()
    assert [len(model.parts) for model in state.models.values()] == [1]
    after, verdict = judge_of(world, counts, LEARN).carried(state, judge, frozenset(), end_ns)
    assert (verdict.parts, after.episodes) == ((), state.episodes)
    for length, model in state.models.items():
        assert np.array_equal(after.models[length].evidence.m, model.evidence.m)
        assert np.array_equal(after.models[length].evidence.since_ns, model.evidence.since_ns)
        assert after.models[length].parts.keys() == model.parts.keys()


def test_a_reset_subject_starts_again_and_its_part_closes() -> None:
    world, counts, judge, state, end_ns = moved()
    key = PartKey(world.columns[0].summary)
    after, verdict = judge_of(world, counts, LEARN).carried(state, judge, {key}, end_ns)
    assert [(event.key, event.change) for event in verdict.parts] == [(key, PartChange.REPLACED)]
    assert len(verdict.told.closed) == 1
    (model,) = after.models.values()
    assert not model.parts
    assert not model.evidence.m[: len(model.evidence.m) // 2].any()
    assert model.evidence.m.any()
    assert (model.evidence.since_ns[: len(model.evidence.m) // 2] == end_ns).all()


def test_a_part_without_data_is_closed() -> None:
    world, _, judge, state, end_ns = moved()
    key = PartKey(world.columns[0].summary)
    same, nothing = judge.close(state, {PartKey("input.other", Labels.of(version="7"))}, end_ns)
    assert (nothing.parts, same.episodes) == ((), state.episodes)
    after, verdict = judge.close(state, {key}, end_ns)
    assert [event.change for event in verdict.parts] == [PartChange.CLOSED_WITHOUT_DATA]
    assert len(verdict.told.closed) == 1
    assert not after.episodes.open


def test_label_sets_of_one_summary_have_an_order() -> None:
    keys = [
        PartKey("a", Labels.of(version="7")),
        PartKey("a"),
        PartKey("a", Labels.of(version="6")),
    ]
    assert [str(key.labels) for key in sorted(keys)] == ["", "version=6", "version=7"]
