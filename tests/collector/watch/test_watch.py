"""The default alerter watches every entity without a line of configuration, and survives restarts."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.watched_traffic import DAY, KEY, ROWS, NewTraffic, Traffic, bounds_of, normal

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.columns import Total
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer.alert.reason import Reason
from nilometer.profile import pseudonym
from nilometer.profile.reference import LEARNED
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.api.resources.episodes import episode_view
from nilometer_collector.store import EntityDeclaration, EpisodeRecord, WatchStep, open_store
from nilometer_collector.store.sqlite.decisions import Decisions
from nilometer_collector.store.sqlite.watching import Watching
from nilometer_collector.testing import ENTITY, a_reference
from nilometer_collector.watch.entity import EntityWatch
from nilometer_collector.watch.memory import Book
from nilometer_collector.watch.packing import unpacked_window

DAYS_OF_TABLE = 9  # from a Monday on, so that a weekend is known
MEANS = {"input.amount": 0.0, "input.age": 5.0}


def learned_book(traffic: Traffic) -> Book:
    """Return the stored baselines."""
    record = traffic.store.watching.load(ENTITY)
    assert record is not None
    assert record.baselines is not None
    return unpacked(record.baselines, Book)


def shown(episode: EpisodeRecord) -> tuple[object, ...]:
    """Return what must not depend on when the windows were judged."""
    turns = [(turn.status, turn.at_ns, turn.value, turn.evidence) for turn in episode.history]
    parts = [replace(part, evidence="") for part in episode.parts]
    return episode.summary, episode.since_ns, episode.opened_ns, episode.closed_ns, turns, parts


def test_healthy_traffic_stays_silent_through_all_phases(
    seen_while_learning: list[list[object]],
) -> None:
    silent = [[], 0]  # no episode, no notification
    assert seen_while_learning == [
        ["LEARNING", "LEARNING", "LEARNING", *silent],
        ["LEARNING", "COARSE", "COARSE", *silent],
        ["LEARNING", "COARSE", "COARSE", *silent],
        ["OK", "WATCHED", "ACTIVE", *silent],
    ]


def test_bins_are_learned_and_handed_to_agents(traffic: Traffic) -> None:
    (record,) = traffic.store.references.records(ENTITY)
    assert (record.name, record.created_ns) == (LEARNED, 0)
    bounds = bounds_of(traffic.store)
    assert sorted(bounds) == ["input.age", "input.amount"]
    assert all(len(one.edges) == 31 for one in bounds.values())


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


def test_sentence_and_figures_are_those_of_the_part_that_leads(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(0.5)
    traffic.run(6)
    traffic.columns["input.age"] = normal(7.0)
    traffic.run(6)
    (episode,) = traffic.store.alerts.episodes()
    parts = {part.summary: part for part in episode.parts}
    assert parts.keys() == {"input.age", "input.amount"}
    view, lead = episode_view(episode, episode.opened_ns), parts["input.age"]
    assert (view.summary, view.evidence) == ("input.age", lead.evidence)
    shown = (view.comparator, view.value, view.threshold, view.severity)
    assert shown == (lead.component, lead.effect, lead.tolerance, lead.severity)
    assert f"is {view.value:.2g} sd above" in view.evidence


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


def test_a_long_pass_makes_progress_with_each_step(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages: list[float] = []
    save = Watching.save

    def slow(self: Watching, entity: str, step: WatchStep, now_ns: int) -> int | None:
        traffic.clock.seconds += 400
        ages.append(traffic.watch.progress_age_seconds)
        return save(self, entity, step, now_ns)

    traffic.send_all(DAY // 2)
    monkeypatch.setattr(Watching, "save", slow)
    traffic.watch.advance()
    assert len(ages) >= 4
    assert max(ages) == 400


def test_a_new_normal_that_cannot_be_learned_keeps_no_window_from_being_judged(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(*_: object) -> int:
        raise ValueError("the reference is damaged")

    traffic.run(1)
    judged_ns = traffic.report.judged_ns
    monkeypatch.setattr(Decisions, "pending", lambda *_: ["a decision"])
    monkeypatch.setattr(EntityWatch, "accept", damaged)
    traffic.run(3)
    assert judged_ns is not None
    assert traffic.report.judged_ns == judged_ns + 3 * BASE_NS
    assert "internal error while a new normal is learned" in caplog.text


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


def test_a_clock_that_is_ahead_makes_no_window_of_others_late(traffic: Traffic) -> None:
    number = traffic.number
    traffic.agents, traffic.number = ("ahead",), number + 100
    traffic.send()
    traffic.agents, traffic.number = ("pod-1",), number
    traffic.clock.wall_ns = traffic.window(4).end_ns
    traffic.watch.advance()  # no agent has sent for so long that nothing is awaited
    assert (traffic.report.judged_ns or 0) <= traffic.clock.now_ns() + BASE_NS
    traffic.number += 8
    traffic.columns = {"input.amount": normal(0.7), "input.age": normal(5.0)}
    traffic.run(8)
    assert traffic.report.status.name == "ALERTING"


def test_the_only_agents_that_send_are_judged_although_their_clocks_are_ahead(
    traffic: Traffic,
) -> None:
    traffic.run(1)
    traffic.agents = ("pod-2",)  # replaces the agent of before
    traffic.columns = {"input.amount": normal(0.7), "input.age": normal(5.0)}
    for _ in range(12):
        traffic.send()
        traffic.clock.wall_ns -= 3 * BASE_NS
        traffic.watch.advance()
    assert traffic.report.status.name == "ALERTING"


def test_late_rows_are_counted_and_told_and_learned(traffic: Traffic) -> None:
    traffic.run(48)
    number = traffic.number
    traffic.number = number - 12
    traffic.send_all(6)
    traffic.number = number
    traffic.clock.wall_ns = traffic.window(-1).end_ns + BASE_NS // 5
    assert traffic.report.late_rows == 0
    traffic.run(72)
    assert traffic.report.late_rows == 6 * ROWS
    assert "rows of the last days arrived after" not in traffic.report.sentence
    (late_end,) = {traffic.window(number - 12 - traffic.number).end_ns}
    ((_, kept),) = traffic.store.watching.windows(ENTITY, late_end - BASE_NS, late_end)
    cells = {float(vector[Total.CELLS - len(Total)]) for vector in unpacked_window(kept).values()}
    assert cells == {2.0 * ROWS}
    traffic.run(72)
    assert traffic.report.late_rows == 6 * ROWS  # each is counted once


def test_many_late_rows_are_told_in_the_status(traffic: Traffic) -> None:
    traffic.run(12)
    number = traffic.number
    traffic.number = number - 120
    traffic.send_all(100)
    traffic.number = number
    traffic.clock.wall_ns = traffic.window(-1).end_ns + BASE_NS // 5
    traffic.run(72)
    assert traffic.report.late_rows == 100 * ROWS
    assert "% of the rows of the last days arrived after" in traffic.report.sentence


def test_windows_wait_for_every_agent_that_still_sends(traffic: Traffic) -> None:
    traffic.run(3)
    judged = traffic.report.judged_ns
    traffic.agents = ("pod-2",)
    traffic.run(1)
    assert traffic.report.judged_ns == judged
    traffic.agents = ("pod-1",)
    traffic.run(1)
    assert traffic.report.judged_ns == judged + BASE_NS if judged else False


def test_an_agent_that_lags_does_not_delay_alarms_for_long(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "collector.db", "slack")) as store:
        traffic = Traffic(store)
        traffic.run(8)
        behind = []
        for _ in range(6):
            traffic.send()
            traffic.send_behind("slow", 6)
            traffic.watch.advance()
            judged_ns = traffic.report.judged_ns
            assert judged_ns is not None
            behind.append((traffic.window(-1).end_ns - judged_ns) // BASE_NS)
    assert behind[:2] == [2, 3]  # it may still catch up
    assert behind[-1] == 1


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


def test_a_holiday_that_was_never_learned_has_wide_tolerances(new_traffic: NewTraffic) -> None:
    usual, free = new_traffic(), new_traffic()
    free.rules = (WatchRule(holidays=("07-02",)),)
    free.restart()
    for traffic in (usual, free):
        traffic.columns["input.amount"] = normal(0.3)
        traffic.run(48)
    assert (usual.statuses, free.statuses) == ([["ALERTING"]], [])
    free.columns["input.amount"] = normal(1.0)
    free.run(12)
    (episode,) = free.store.alerts.episodes()
    assert "tolerance 0.3 sd" in episode.evidence


def test_a_declared_time_zone_makes_the_baselines_learn_again(traffic: Traffic) -> None:
    traffic.run(6)
    before = learned_book(traffic)
    traffic.store.entities.put(ENTITY, EntityDeclaration(time_zone="Asia/Tokyo"), 0)
    traffic.run(6)
    after = learned_book(traffic)
    assert (before.time_zone, after.time_zone) == ("UTC", "Asia/Tokyo")
    assert all(
        one.baseline.windows > other.baseline.windows
        for one, other in zip(after.watched, before.watched, strict=True)
        if one.baseline is not None and other.baseline is not None
    )
    assert traffic.statuses == []


def test_constant_columns_are_watched_by_their_shares(tmp_path: Path) -> None:
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


def test_a_reference_of_a_user_replaces_the_learned_bins(traffic: Traffic) -> None:
    traffic.run(3)
    numbers = np.random.default_rng(1).normal(0.0, 1.0, 5000)
    reference = a_reference({"input.amount": numbers.tolist()})
    traffic.store.references.put(reference, traffic.clock.now_ns())
    traffic.run(3)
    phases = {one.summary: one.phase for one in traffic.report.summaries}
    assert phases == {"input.age": "ACTIVE", "input.amount": "ACTIVE"}
    assert len(bounds_of(traffic.store)["input.amount"].edges) == 7
    assert traffic.statuses == []
    traffic.columns["input.amount"] = normal(0.5)
    traffic.run(12)
    assert traffic.statuses == [["ALERTING"]]


def test_an_open_part_ends_with_its_bins(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(0.5)
    traffic.run(12)
    numbers = np.random.default_rng(1).normal(0.0, 1.0, 5000)
    reference = a_reference({"input.amount": numbers.tolist()})
    traffic.store.references.put(reference, traffic.clock.now_ns())
    traffic.run(1)
    assert traffic.statuses == [["ALERTING", "OK"]]
    (episode,) = traffic.store.alerts.episodes()
    assert episode.history[-1].evidence == "input.amount is compared with a new baseline"


def test_a_version_that_was_rolled_back_does_not_stay_alerting(traffic: Traffic) -> None:
    broken, fine = {"version": "7"}, {"version": "6"}
    for place in range(round(1.5 * DAY)):  # both serve, until both are known
        traffic.labels = fine
        traffic.send()
        traffic.number -= 1
        traffic.labels = broken
        traffic.columns = {name: normal(mean, 60) for name, mean in MEANS.items()}
        traffic.send()
        if place % 36 == 0:
            traffic.watch.advance()
    traffic.watch.advance()
    assert traffic.statuses == []
    for _ in range(12):
        traffic.labels, traffic.columns = fine, {name: normal(m) for name, m in MEANS.items()}
        traffic.send()
        traffic.number -= 1
        traffic.labels, traffic.columns = broken, {"input.amount": normal(3.0, 60)}
        traffic.send()
        traffic.watch.advance()
    (episode,) = traffic.store.alerts.episodes()
    parts = {(part.summary, str(part.labels)) for part in episode.parts}
    assert ("input.amount", "version=7") in parts
    traffic.labels, traffic.columns = fine, {name: normal(mean) for name, mean in MEANS.items()}
    traffic.run(48)
    (episode,) = traffic.store.alerts.episodes(is_open=False)
    gone = {str(part.labels): part.closed_ns for part in episode.parts}
    assert gone["version=7"] is not None
    assert traffic.report.status is not AlertStatus.ALERTING


def test_more_failures_and_a_higher_latency_are_drifts_of_the_service(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store, columns={})
        rng = np.random.default_rng(5)

        def serve(windows: int, failing: float, slow: float) -> None:
            for place in range(windows):
                traffic.send()
                latencies = rng.lognormal(-3.0, 0.3, 200) * slow
                traffic.send_service(latencies, int(rng.binomial(200, failing)))
                if place % 36 == 0 or windows < DAY:
                    traffic.watch.advance()
            traffic.watch.advance()

        serve(round(1.5 * DAY), 0.01, 1.0)
        assert traffic.statuses == []
        assert [one.reason for one in traffic.report.summaries] == [Reason.COARSE]
        serve(12, 0.2, 1.0)
        serve(60, 0.01, 1.0)
        serve(12, 0.01, 1.3)
        first, second = reversed(store.alerts.episodes())
        assert [part.component for part in first.parts] == ["failed"]
        assert first.closed_ns is not None
        assert [part.component for part in second.parts] == ["position"]
    finally:
        store.close()


def test_categories_are_counted_by_the_names_that_samples_keep(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store, columns={})
        traffic.run_categories(round(1.5 * DAY), {"card": 0.7, "cash": 0.25, "gift": 0.05})
        assert traffic.statuses == []
        (report,) = traffic.report.summaries
        assert report.reason is Reason.COARSE
        assert traffic.store.references.records(ENTITY) == []  # names stay where they are
        traffic.run_categories(12, {"card": 0.4, "cash": 0.55, "gift": 0.05})
        (episode,) = store.alerts.episodes()
        component = episode.parts[0].component
        assert component in {f"= {pseudonym(name, KEY)}" for name in ("card", "cash")}
    finally:
        store.close()


def test_past_windows_that_arrive_later_teach_before_anything_is_judged(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store)
        traffic.start_at(2 * DAY)
        traffic.run(3)
        assert traffic.report.phase == "LEARNING"
        now_ns, live = traffic.clock.wall_ns, traffic.number
        traffic.agents = ("history",)
        traffic.number = 0
        traffic.send_all(round(1.5 * DAY))
        traffic.clock.wall_ns, traffic.number, traffic.agents = now_ns, live, ("pod-1",)
        traffic.run(3)
        assert traffic.report.phase == "COARSE"
        assert traffic.report.judged_ns == traffic.window(-2).end_ns
        traffic.columns["input.amount"] = normal(3.0)
        traffic.run(6)
        assert traffic.statuses == [["ALERTING"]]
    finally:
        store.close()


def test_a_table_teaches_before_the_first_live_window_and_is_never_judged(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store, agents=(TABLES,))
        for day in range(2 * DAYS_OF_TABLE):  # halves of days, one of them with an incident
            traffic.columns["input.amount"] = normal(3.0 if day == 3 else 0.0)
            traffic.send_all(DAY // 2)
        traffic.watch.advance()  # the table may still be on its way
        assert traffic.report.reason is Reason.NO_WINDOW_YET
        traffic.skip(1)
        traffic.watch.advance()
        assert traffic.report.phase == "ACTIVE"
        traffic.agents = ("pod-1",)
        traffic.run(4)
        assert (traffic.report.reason, traffic.statuses) == (Reason.WATCHED, [])
        assert traffic.report.judged_ns == traffic.window(-2).end_ns
        traffic.columns["input.amount"] = normal(0.5)
        traffic.run(6)
        (episode,) = store.alerts.episodes()
        assert (episode.summary, traffic.notices) == ("input.amount", 1)
    finally:
        store.close()


def test_a_table_that_follows_another_is_not_judged_either(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        traffic = Traffic(store, agents=(TABLES,))
        traffic.send_all(round(1.5 * DAY))
        traffic.skip(1)
        traffic.watch.advance()
        assert traffic.report.phase == "COARSE"
        traffic.columns["input.amount"] = normal(3.0)
        traffic.send_all(12)
        traffic.skip(1)
        traffic.watch.advance()
        assert traffic.report.judged_ns == traffic.window(-2).end_ns
        assert traffic.statuses == []
    finally:
        store.close()
