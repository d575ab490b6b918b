"""A replay of the default alerter finds what the live one found, and stores nothing."""

import numpy as np
import pytest
from support.watch_steps import a_step
from support.watched_traffic import DAY, Traffic, normal

from nilometer.alert.calibrated.columns import Column
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.packing import packed
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.backtest.backtest import Backtests
from nilometer_collector.backtest.default_alerter import differences
from nilometer_collector.backtest.records import DAY_NS, Question, Replay
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import Book, Watched


def replay_of(traffic: Traffic, rule: WatchRule, days: float = 1.0) -> Replay:
    end_ns = traffic.window().start_ns
    question = Question(
        start_ns=end_ns - round(days * DAY_NS),
        end_ns=end_ns,
        entities=[ENTITY],
        alerters=[],
        rules=(rule,),
        incidents=[],
    )
    (found,) = Backtests(traffic.store).run(question)
    return found


def test_the_same_episodes_as_live(store: Store) -> None:
    traffic = Traffic(store, columns={"input.amount": normal()})
    traffic.run(DAY + 6, every=36)
    traffic.columns["input.amount"] = normal(2.0)
    traffic.run(6)
    traffic.columns["input.amount"] = normal()
    traffic.run(30, every=6)
    (live,) = store.alerts.episodes()
    before = store.watching.load(ENTITY)
    found = replay_of(traffic, WatchRule())
    (firing,) = found.firings
    assert (firing.since_ns, firing.opened_ns, firing.closed_ns) == (
        live.since_ns,
        live.opened_ns,
        live.closed_ns,
    )
    assert firing.worst == pytest.approx(live.worst, rel=1e-6)
    assert firing.evidence == live.evidence
    assert found.messages == 2
    assert found.notes[0].startswith("the history begins 0.1 days before the tested time")
    assert store.watching.load(ENTITY) == before
    assert len(store.alerts.episodes()) == 1

    wide = replay_of(traffic, WatchRule(tolerances={"*": 5.0}))
    assert wide.firings == []
    assert replay_of(traffic, WatchRule(watch=False)).notes == [
        "a setting switches it off for this entity"
    ]


def test_logged_samples_are_no_history(store: Store) -> None:
    traffic = Traffic(store, columns={"input.amount": normal()})
    traffic.send_all(DAY // 4)
    before = replay_of(traffic, WatchRule())
    traffic.send_logged(traffic.window(-DAY), {})
    assert replay_of(traffic, WatchRule()) == before
    assert before.start_ns == traffic.window(-DAY // 4).start_ns


def test_what_a_replay_does_otherwise_is_said(store: Store) -> None:
    traffic = Traffic(store, agents=(TABLES,), columns={"input.amount": normal()})
    traffic.send_all(2)
    tables = "it also judges the windows of tables, from which the live alerter only learns"
    begun_ns = traffic.window(-2).start_ns
    assert differences(store, ENTITY, begun_ns) == [tables]
    column = Column(summary="input.amount", shares=np.ones(1), rates=(), rows=1.0)
    one = Watched(key=PartKey("input.amount"), slot=0, counted=SummaryColumn(column=column))
    book = Book(watched=(one.anew(begun_ns + 1),))
    store.watching.save(ENTITY, a_step(0, baselines=packed(book)), begun_ns)
    first, second = differences(store, ENTITY, begun_ns)
    assert first.startswith("new normals that people accepted are not replayed")
    assert first.endswith("the earlier normal of input.amount")
    assert second == tables
    assert differences(store, ENTITY, traffic.window().end_ns) == []
