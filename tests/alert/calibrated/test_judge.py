from collections.abc import Sequence

import numpy as np
import pytest
from support.judged_windows import BASE_NS, DAY, START_NS, Seen, Truth, World, judge_of, replayed

from nilometer.alert.calibrated.baseline import learn
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import History
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.model import Judged, Model
from nilometer.alert.calibrated.slots import BASE_SECONDS, Calendar

LEARN = 3 * DAY
WORLD = World(8, (3, 12))


def seen(truth: Truth, seed: int = 0) -> Seen:
    counts = WORLD.counts(truth, seed)
    return replayed(WORLD, judge_of(WORLD, counts, LEARN), counts, LEARN)


def test_no_drift_is_no_alarm() -> None:
    assert seen(WORLD.truth(LEARN + DAY, 500, seasonal=0.3, overdispersed=0.05)).episodes == 0


def test_a_drift_of_half_a_deviation_is_found_in_two_windows_and_told_once() -> None:
    truth = WORLD.truth(LEARN + DAY, 500)
    truth.mean[3, LEARN + 50 :] += 0.5
    found = seen(truth)
    assert found.opened == {"input.n3": 52}
    assert found.episodes == 1


def test_an_episode_closes_after_recovery() -> None:
    truth = WORLD.truth(LEARN + DAY, 500)
    truth.mean[3, LEARN + 50 : LEARN + 150] += 0.5
    found = seen(truth)
    assert found.episodes == 1
    assert len(found.closed) == 1
    assert 150 < found.closed[0] < 165


@pytest.mark.parametrize("rows", [6, 60, 600])
def test_columns_with_few_rows_are_judged_over_longer_windows(rows: int) -> None:
    truth = WORLD.truth(LEARN + 2 * DAY, rows)
    truth.mean[0, LEARN + 20 :] += 1.0
    found = seen(truth)
    assert set(found.opened) == {"input.n0"}
    assert found.opened["input.n0"] <= 20 + 6 * max(1, 60 // rows)


def test_all_cells_missing_are_found() -> None:
    truth = WORLD.truth(LEARN + DAY, 500)
    truth.missing[1, LEARN + 50 :] = 0.05
    assert seen(truth).opened == {"input.n1": 52}


def test_one_odd_window_of_three_deviations_in_every_feature_is_quiet() -> None:
    truth = WORLD.truth(LEARN + DAY, 500)
    truth.mean[:, LEARN + 100] += 3.0
    assert seen(truth).episodes == 0


def test_step_by_step_is_the_same_as_a_replay() -> None:
    truth = WORLD.truth(LEARN + 60, 30)
    truth.mean[0, LEARN + 10 :] += 1.5
    counts = WORLD.counts(truth)
    judge = judge_of(WORLD, counts, LEARN)
    start = START_NS + LEARN * BASE_NS
    keys = [PartKey(column.summary) for column in WORLD.columns]
    later = {key: vectors[LEARN:] for key, vectors in zip(keys, counts, strict=True)}
    replay = list(judge.replay(EntityState(), later, start))
    state = EntityState()
    for window in range(1, 61):
        end = start + window * BASE_NS
        due = judge.due(end)
        now = {
            key: later[key][(begin - start) // BASE_NS : window].sum(axis=0)
            for key, begin in due.items()
        }
        state, verdict = judge.advance(state, now, end)
        assert verdict == replay[window - 1][1]
    last, _ = replay[-1]
    for length, model in state.models.items():
        assert model.evidence.m == pytest.approx(last.models[length].evidence.m)


def test_the_scores_alone_and_of_one_window_are_those_with_effects() -> None:
    truth = WORLD.truth(LEARN + DAY, 200, seasonal=0.3, seed=4)
    truth.mean[2, LEARN + 100 :] += 0.5
    counts = WORLD.counts(truth, 5)
    calendar = Calendar(window_seconds=BASE_SECONDS)
    starts = START_NS + np.arange(LEARN + DAY, dtype=np.int64) * BASE_NS
    past, teach = calendar.slots(starts[:LEARN]), np.ones(LEARN, bool)
    judged = [
        Judged(column=column, baseline=learn(column, vectors[:LEARN], past, teach))
        for column, vectors in zip(WORLD.columns, counts, strict=True)
    ]
    model = Model(judged, calendar)
    later = np.concatenate([vectors[LEARN:] for vectors in counts], axis=1)
    whole = model.scores(later, calendar.slots(starts[LEARN:]))
    assert np.isfinite(whole.z).any()
    for place in (0, 99, 100, 287):
        at = slice(place, place + 1)
        z = model.z(later[at], calendar.slots(starts[LEARN:][at]))
        assert z.tobytes() == whole.z[at].tobytes()


def test_parts_of_eight_agents_in_any_order_are_the_whole() -> None:
    """Counts are integers, so sums are exact and the evidence has the same bits."""
    truth = WORLD.truth(LEARN + 30, 800)
    truth.mean[2, LEARN + 5 :] += 0.4
    counts = WORLD.counts(truth)
    judge = judge_of(WORLD, counts, LEARN)
    rng = np.random.default_rng(9)
    states = []
    for order in (range(8), rng.permutation(8)):
        split = [_split(vectors[LEARN:], order) for vectors in counts]
        later = {
            PartKey(column.summary): vectors
            for column, vectors in zip(WORLD.columns, split, strict=True)
        }
        *_, (state, _) = judge.replay(EntityState(), later, START_NS + LEARN * BASE_NS)
        states.append(state)
    one, other = (
        [model.evidence.m.tobytes() for model in state.models.values()] for state in states
    )
    assert one == other


def _split(vectors: Floats, order: Sequence[int] | np.ndarray) -> Floats:
    parts = np.random.default_rng(1).multinomial(vectors.astype(np.int64), np.full(8, 1 / 8))
    return np.asarray(sum((parts[..., part] for part in order), np.zeros_like(vectors)))


def test_the_effect_is_measured_since_the_onset() -> None:
    truth = WORLD.truth(LEARN + 40, 500)
    truth.mean[3, LEARN + 10 :] += 0.5
    counts = WORLD.counts(truth)
    judge = judge_of(WORLD, counts, LEARN)
    key = PartKey("input.n3")
    start = START_NS + LEARN * BASE_NS
    events = [
        event
        for _, verdict in judge.replay(EntityState(), {key: counts[3][LEARN:]}, start)
        for event in verdict.parts
    ]
    assert events[0].onset_ns == start + 10 * BASE_NS
    since = np.arange(10, 40)
    history = History(start + since * BASE_NS, counts[3][LEARN + since])
    effect = judge.effect(key, events[0].stream, history)
    assert effect is not None
    assert effect.value == pytest.approx(0.47, abs=0.06)
    assert 0.3 < effect.bound < effect.value
    assert effect.windows == 30
    assert effect.rows == pytest.approx(15_000, rel=0.02)
