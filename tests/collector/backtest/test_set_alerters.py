"""A set alerter opens and closes the same episodes in a backtest as live."""

import pytest
from support.shipping import Agents, a_sample_row, ship

from nilometer.alert import Alerter, Fixed, evaluate
from nilometer.profile import SummarySample
from nilometer_collector.backtest.backtest import MOST_SAMPLES, Backtests
from nilometer_collector.backtest.records import Question, Replay
from nilometer_collector.errors import TooMuch
from nilometer_collector.store import Arrival, Store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    an_alerter,
    feature_sample,
    minute,
)

MEAN = an_alerter(
    name="mean",
    summary="input.amount",
    condition=Fixed(statistic="mean", threshold=2.0),
    minimum_count=2,
    windows_to_open=2,
    windows_to_close=2,
)
VALUES = {0: 1, 1: 3, 2: 4, 3: 5, 4: 1, 5: 1, 6: 1, 20: 9, 21: 9, 60: 9, 61: 9, 62: 1}


def sample(number: int, value: float, rows: int = 3) -> SummarySample:
    return feature_sample([float(value)] * rows, window=minute(number))


def fill(store: Store, samples: list[SummarySample], agent: str = "pod-1") -> None:
    rows = [Arrival(sequence=at, content=a_sample_row(one)) for at, one in enumerate(samples, 1)]
    ship(store, rows, agent=agent, epoch=agent.encode().ljust(16)[:16])


def replay_of(store: Store, *, minutes: int = 100, alerter: Alerter = MEAN) -> Replay:
    question = Question(
        start_ns=START_NS,
        end_ns=minute(minutes).start_ns,
        entities=[ENTITY],
        alerters=[alerter],
        rules=None,
        incidents=[],
    )
    (found,) = Backtests(store).run(question)
    return found


def test_episodes_are_those_of_the_live_path(store: Store) -> None:
    samples = [sample(number, value) for number, value in VALUES.items()]
    fill(store, samples)
    live = Agents(store)
    for one in samples:
        live.now_ns = one.window.end_ns
        store.alerts.expire(live.now_ns, 0)
        live.judge("pod-9", [evaluate(MEAN, one, {})])
    found = replay_of(store).firings
    known = reversed(store.alerts.episodes())
    assert [(one.since_ns, one.opened_ns, one.closed_ns, one.worst) for one in found] == [
        (one.since_ns, one.opened_ns, one.closed_ns, one.worst) for one in known
    ]
    assert [one.worst for one in found] == [5.0, 9.0, 9.0]
    assert [one.closed_ns is None for one in found] == [False, False, True]
    assert found[0].evidence == "mean is 4 (alert when > 2) over 3 observations"


def test_a_backtest_stores_nothing(store: Store) -> None:
    fill(store, [sample(number, 9) for number in range(5)])
    assert len(replay_of(store).firings) == 1
    assert store.alerts.episodes() == []
    assert store.alerts.alerters() == []


def test_agents_are_judged_together(store: Store) -> None:
    fill(store, [sample(number, 1) for number in range(4)], "pod-1")
    fill(store, [sample(number, 9, rows=1) for number in range(4)], "pod-2")
    found = replay_of(store)
    assert (found.judged, len(found.firings)) == (4, 1)
    assert found.firings[0].worst == 3.0


def test_the_tested_time_is_half_open(store: Store) -> None:
    fill(store, [sample(number, 9) for number in range(6)])
    found = replay_of(store, minutes=4)
    assert (found.judged, found.end_ns) == (4, minute(4).start_ns)


def test_what_was_not_judged_says_why(store: Store) -> None:
    fill(store, [sample(number, 9, rows=1) for number in range(4)])
    found = replay_of(store)
    assert (found.judged, found.not_judged, found.firings) == (0, 4, [])
    assert found.notes == ["no window was judged: 1 observations are fewer than the 2 asked for"]
    other = replay_of(store, alerter=an_alerter(summary="input.none"))
    assert other.notes == [f"no summary of {ENTITY} matches 'input.none'"]


def test_too_much_is_refused_before_anything_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, [sample(number, 9) for number in range(4)])
    monkeypatch.setattr("nilometer_collector.backtest.backtest.MOST_SAMPLES", 3)
    with pytest.raises(TooMuch, match="about 4 samples would be read, the limit is 3"):
        replay_of(store)
    assert MOST_SAMPLES > 3
