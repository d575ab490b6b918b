"""The default alerter watches every entity without a line of configuration, and survives restarts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.watched_traffic import DAY, NewTraffic, Traffic, bounds_of, normal

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer.profile.reference import LEARNED
from nilometer_collector.alerting.watch_report import Reason
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import EpisodeRecord, WatchStep, open_store
from nilometer_collector.store.sqlite.watching import Watching
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import BASE_NS


def shown(episode: EpisodeRecord) -> tuple[object, ...]:
    """Return what must not depend on when the windows were judged."""
    turns = [(turn.status, turn.at_ns, turn.value, turn.evidence) for turn in episode.history]
    parts = [replace(part, evidence="") for part in episode.parts]
    return episode.summary, episode.since_ns, episode.opened_ns, episode.closed_ns, turns, parts


def test_healthy_traffic_stays_silent_through_all_phases(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store)
        seen = []
        for days in (0.5, 0.8, 6, 2):
            traffic.run(round(days * DAY), every=36)
            report = traffic.report
            seen.append((report.status, report.reason, report.phase))
        assert seen == [
            (AlertStatus.LEARNING, Reason.LEARNING, "LEARNING"),
            (AlertStatus.LEARNING, Reason.COARSE, "COARSE"),
            (AlertStatus.LEARNING, Reason.COARSE, "COARSE"),
            (AlertStatus.OK, Reason.WATCHED, "ACTIVE"),
        ]
        assert (traffic.statuses, traffic.notices) == ([], 0)
    finally:
        store.close()


def test_bins_are_learned_and_handed_to_agents(traffic: Traffic) -> None:
    (record,) = traffic.store.references.records(ENTITY)
    assert (record.name, record.created_ns) == (LEARNED, 0)
    bounds = bounds_of(traffic.store)
    assert sorted(bounds) == ["input.age", "input.amount"]
    assert all(one is not None and len(one.edges) == 31 for one in bounds.values())


def test_a_drift_opens_one_episode_and_closes_it_once(traffic: Traffic) -> None:
    traffic.run(12)
    traffic.columns["input.amount"] = normal(0.5)
    traffic.run(24)
    report = traffic.report
    assert (report.status, report.reason) == (AlertStatus.ALERTING, Reason.DRIFT)
    assert [one.status for one in report.summaries] == [AlertStatus.OK, AlertStatus.ALERTING]
    traffic.columns["input.amount"] = normal()
    traffic.run(36)
    assert traffic.statuses == [["ALERTING", "OK"]]
    assert (traffic.notices, traffic.wakes) == (2, 2)
    (episode,) = traffic.store.alerts.episodes()
    (part,) = episode.parts
    assert (episode.alerter.name, episode.summary) == (DEFAULT_ALERTER, "input.amount")
    assert (part.component, part.direction) == ("position", 1)
    assert abs(episode.since_ns - traffic.window(-60).start_ns) <= 3 * BASE_NS
    assert episode.evidence.startswith("the position of input.amount is 0.")
    assert "noise" in episode.evidence
    assert "tolerance 0.1 sd" in episode.evidence
    assert traffic.report.status is AlertStatus.OK


def test_summaries_that_drift_together_are_one_episode(traffic: Traffic) -> None:
    traffic.columns = {"input.amount": normal(0.5), "input.age": normal(7.0)}
    traffic.run(12)
    assert traffic.statuses == [["ALERTING"]]
    assert traffic.notices == 1
    (episode,) = traffic.store.alerts.episodes()
    assert {part.summary for part in episode.parts} == {"input.amount", "input.age"}
    assert episode.summary == "input.age"
    assert traffic.store.watching.open_parts() == {(ENTITY, "input.amount"), (ENTITY, "input.age")}


def test_a_restart_changes_nothing(new_traffic: NewTraffic) -> None:
    found = []
    for restarts in (False, True):
        traffic = new_traffic()
        for place in range(40):
            traffic.columns["input.amount"] = normal(0.5 if 5 <= place < 15 else 0.0)
            traffic.run(1)
            if restarts:
                traffic.restart()
        state = traffic.store.watching.load(ENTITY)
        assert state is not None
        found.append(([shown(one) for one in traffic.store.alerts.episodes()], state.state))
    assert found[0][0]
    assert found[0] == found[1]


def test_a_step_that_was_not_stored_is_repeated(
    new_traffic: NewTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, found, left = Watching.save, [], 0

    def dying(self: Watching, entity: str, step: WatchStep, now_ns: int) -> int | None:
        nonlocal left
        if step.episodes and left:
            left -= 1
            raise RuntimeError("killed")
        return save(self, entity, step, now_ns)

    monkeypatch.setattr(Watching, "save", dying)
    for left in (0, 3):  # noqa: B007  `dying` counts it down
        traffic = new_traffic()
        traffic.columns["input.amount"] = normal(0.5)
        traffic.run(12)
        found.append([shown(one) for one in traffic.store.alerts.episodes()])
        assert traffic.notices == 1
    assert found[0] == found[1] != []


def test_several_agents_and_any_order_give_the_same_state(new_traffic: NewTraffic) -> None:
    found = []
    for agents in (("pod-1", "pod-2", "pod-3"), ("pod-3", "pod-1", "pod-2")):
        traffic = new_traffic()
        traffic.agents = agents
        traffic.columns["input.amount"] = normal(0.5)
        traffic.run(12)
        state = traffic.store.watching.load(ENTITY)
        assert state is not None
        found.append(([shown(one) for one in traffic.store.alerts.episodes()], state.state))
    assert found[0][0]
    assert found[0] == found[1]


def test_a_late_window_never_moves_evidence(traffic: Traffic) -> None:
    traffic.run(6)
    before = traffic.store.watching.load(ENTITY)
    number = traffic.number
    traffic.number, traffic.columns = number - 5, {"input.amount": normal(9.0)}
    traffic.send()
    traffic.number = number
    traffic.watch.advance()
    assert traffic.store.watching.load(ENTITY) == before


def test_windows_wait_for_every_agent_that_still_sends(traffic: Traffic) -> None:
    traffic.run(3)
    judged = traffic.report.judged_ns
    traffic.agents = ("pod-2",)
    traffic.run(1)
    assert traffic.report.judged_ns == judged
    traffic.agents = ("pod-1",)
    traffic.run(1)
    assert traffic.report.judged_ns == judged + BASE_NS if judged else False


def test_no_traffic_at_a_usual_hour_is_no_data(traffic: Traffic) -> None:
    traffic.run(3)
    traffic.skip(4)
    traffic.watch.advance()
    report = traffic.report
    assert (report.status, report.reason) == (AlertStatus.NO_DATA, Reason.NO_TRAFFIC)
    traffic.run(3)
    assert traffic.report.status is AlertStatus.OK


def test_a_drift_without_further_data_closes_after_a_day(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(0.5)
    traffic.run(12)
    assert traffic.statuses == [["ALERTING"]]
    traffic.skip(4)
    traffic.watch.advance()
    assert traffic.report.status is AlertStatus.NO_DATA
    traffic.skip(2 * DAY)
    traffic.watch.advance()
    assert traffic.statuses == [["ALERTING", "NO_DATA"]]


def test_an_entity_that_is_switched_off_is_not_watched(new_traffic: NewTraffic) -> None:
    traffic = new_traffic()
    traffic.rules = (WatchRule(entity="fraud-*", watch=False),)
    traffic.restart()
    traffic.columns["input.amount"] = normal(3.0)
    traffic.run(12)
    report = traffic.report
    assert (report.status, report.reason) == (AlertStatus.NOT_WATCHED, Reason.SWITCHED_OFF)
    assert traffic.statuses == []


def test_a_wider_tolerance_leaves_a_drift_alone(new_traffic: NewTraffic) -> None:
    traffic = new_traffic()
    traffic.rules = (WatchRule(tolerances={"input.amount": 1.0}),)
    traffic.restart()
    traffic.columns = {"input.amount": normal(0.4), "input.age": normal(5.4)}
    traffic.run(24)
    (episode,) = traffic.store.alerts.episodes()
    assert {part.summary for part in episode.parts} == {"input.age"}


def test_constant_columns_and_categories_are_watched_by_their_shares(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store)
        traffic.columns = {"input.amount": lambda _: np.full(100, 3.0)}
        traffic.run(round(1.5 * DAY), every=36)
        assert [one.reason for one in traffic.report.summaries] == [Reason.COARSE]
        traffic.columns = {"input.amount": lambda _: np.full(100, 4.0)}
        traffic.run(6)
        assert traffic.statuses == [["ALERTING"]]
    finally:
        store.close()
