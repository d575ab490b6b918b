"""An episode opens with the first agent and closes with the last, with one message for each."""

import pytest

from nilometer.alert import (
    Alerter,
    AlertStatus,
    EpisodeState,
    Fixed,
    Range,
    ThresholdSide,
    Verdict,
)
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.definitions import alerter_view
from nilometer_collector.alerting.episodes import (
    Changes,
    Closed,
    OpenEpisode,
    Others,
    Standing,
    Worsened,
    judge,
    worst,
)
from nilometer_collector.store import Arrival, Shipment, Store, open_store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
)


class Agents:
    """Agents that ship evaluations straight into a store."""

    def __init__(self, store: Store, clock: SteppedClock) -> None:
        self.store, self.clock = store, clock
        self.sequence = 0

    def say(self, agent: str, value: float, number: int, **more: object) -> int:
        """*agent* measured *value* in the *number*-th minute; returns the notices it caused."""
        self.sequence += 1
        evaluation = an_evaluation(value, number, **more)  # type: ignore[arg-type]
        arrival = Arrival(sequence=self.sequence, content=evaluation)
        shipment = Shipment(
            agent=agent, epoch=agent.encode().ljust(16), oldest_held=0, arrivals=[arrival]
        )
        return self.store.ship(shipment, self.clock.now_ns()).notices

    @property
    def statuses(self) -> list[list[str]]:
        """Transitions of every episode, newest episode first."""
        return [[t.status for t in e.history] for e in self.store.alerts.episodes()]


@pytest.fixture
def agents(store: Store, clock: SteppedClock) -> Agents:
    return Agents(store, clock)


def test_an_opening_and_a_closing_queue_one_notification_each(agents: Agents) -> None:
    values = [0.1, 0.5, 0.9, 0.6, 0.1, 0.1, 0.7]
    notices = [agents.say("pod-1", value, number) for number, value in enumerate(values)]
    assert notices == [0, 1, 0, 0, 1, 0, 1]
    assert agents.statuses == [["ALERTING"], ["ALERTING", "OK"]]
    assert agents.store.deliveries.counts("slack").waiting == 3


def test_an_episode_opens_with_the_first_agent_and_closes_with_the_last(agents: Agents) -> None:
    assert agents.say("pod-1", 0.5, 1) == 1
    assert agents.say("pod-2", 0.6, 1) == 0
    assert agents.say("pod-1", 0.1, 2) == 0
    assert agents.say("pod-2", 0.1, 2) == 1
    assert agents.statuses == [["ALERTING", "OK"]]


def test_an_agent_that_went_away_does_not_hold_an_episode_open(
    agents: Agents, clock: SteppedClock
) -> None:
    agents.say("gone", 0.5, 1)
    agents.say("pod-2", 0.1, 2)
    assert agents.statuses == [["ALERTING"]]
    clock.step(3600)
    agents.say("pod-2", 0.1, 60)
    assert agents.statuses == [["ALERTING", "OK"]]


def test_label_sets_and_summaries_have_episodes_of_their_own(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, labels={"version": "7"})
    agents.say("pod-1", 0.5, 1, summary="input.age")
    assert len(agents.store.alerts.open_episodes()) == 3


def test_a_window_that_could_not_be_judged_changes_nothing(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    assert agents.say("pod-1", 0.0, 2, verdict=Verdict.NOT_JUDGED) == 0
    assert agents.statuses == [["ALERTING"]]


def test_a_late_window_is_history_and_does_not_alert(agents: Agents) -> None:
    agents.say("pod-1", 0.1, 5)
    assert agents.say("pod-1", 0.9, 4) == 0
    assert agents.statuses == []


def test_the_history_keeps_the_alerter_and_the_evidence_as_they_were(agents: Agents) -> None:
    old, new = an_alerter(threshold=0.2), an_alerter(threshold=0.4)
    agents.say("pod-1", 0.5, 1, alerter=old)
    agents.say("pod-1", 0.8, 2, alerter=new)
    agents.say("pod-1", 0.3, 3, alerter=new)
    (episode,) = agents.store.alerts.episodes()
    assert (episode.alerter, episode.worst) == (old, 0.8)
    assert [transition.alerter for transition in episode.history] == [old, new]
    assert episode.evidence == episode.history[0].evidence == an_evaluation(0.5, 1).evidence


def test_a_deleted_alerter_closes_its_episodes_and_stays_deleted(
    agents: Agents, store: Store, clock: SteppedClock
) -> None:
    store.alerts.put(an_alerter(), "api", clock.now_ns())
    agents.say("pod-1", 0.5, 1)
    assert store.alerts.delete(ENTITY, "drift", clock.now_ns())
    assert agents.say("pod-1", 0.6, 2) == 0  # an agent that has not heard of it yet
    assert agents.statuses == [["ALERTING", "PAUSED"]]
    assert not store.alerts.delete(ENTITY, "drift", clock.now_ns())
    assert store.deliveries.counts("slack").waiting == 2
    store.alerts.put(an_alerter(), "api", clock.now_ns())
    assert agents.say("pod-1", 0.6, 3) == 1


def test_an_alerter_that_watches_other_summaries_now_closes_what_it_left(
    agents: Agents, store: Store, clock: SteppedClock
) -> None:
    store.alerts.put(an_alerter(), "api", clock.now_ns())
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, summary="input.age")
    store.alerts.put(an_alerter(summary="input.age"), "api", clock.now_ns())
    assert store.alerts.open_episodes() == [(ENTITY, "input.age")]


def test_alerters_of_the_file_replace_those_of_the_file_before_and_no_others(
    store: Store, clock: SteppedClock
) -> None:
    now_ns = clock.now_ns()
    store.alerts.put(an_alerter(name="by-hand"), "api", now_ns)
    store.alerts.replace_all([an_alerter(name="one"), an_alerter(name="two")], "file", now_ns)
    store.alerts.replace_all([an_alerter(name="two", threshold=0.7)], "file", now_ns)
    alerters = [(alerter.name, alerter.condition.threshold) for alerter in store.alerts.alerters()]
    assert alerters == [("by-hand", 0.2), ("two", 0.7)]


def test_without_a_channel_history_is_kept_and_nothing_is_queued(
    database: object, tmp_path: object, clock: SteppedClock
) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    store = open_store(tmp_path / "quiet.db", "")
    agents = Agents(store, clock)
    assert agents.say("pod-1", 0.5, 1) == 0
    assert agents.statuses == [["ALERTING"]]
    assert store.deliveries.take("slack") is None
    store.close()


def test_a_judgement_that_is_sent_again_opens_nothing_twice(served: Running) -> None:
    from nilometer_collector.testing import a_row

    sender = served.sender()
    rows = [a_row(n, an_evaluation(v, n)) for n, v in enumerate([0.5, 0.1, 0.6], 1)]
    for _ in range(3):
        sender.send(rows)
    episodes = served.get("episodes", entity=ENTITY)["episodes"]
    assert [len(episode["history"]) for episode in episodes] == [1, 2]


def test_an_episode_shows_what_moved_and_by_how_much(served: Running) -> None:
    served.put_alerter(alerter_view(an_alerter())).raise_for_status()
    sender = served.sender()
    sender.ship(feature_sample([1.0]), an_evaluation(0.5, 0), an_evaluation(0.9, 1))
    (episode,) = served.get("episodes", open="true")["episodes"]
    assert (episode["entity"], episode["summary"], episode["alerter"]) == (
        ENTITY,
        "input.amount",
        "drift",
    )
    assert (episode["comparator"], episode["value"], episode["threshold"]) == ("psi", 0.9, 0.2)
    assert (episode["reference"], episode["reference_digest"]) == ("training", "0123456789abcdef")
    assert episode["opened"] == episode["history"][0]["at"] == 1_700_000_100.0
    assert episode["closed"] is None
    assert served.get("episodes", open="false")["episodes"] == []


RANGE = Alerter(
    entity=ENTITY,
    name="r",
    summary="*",
    condition=Range(statistic="mean", low=1.0, high=2.0),
)
BELOW = Alerter(
    entity=ENTITY,
    name="b",
    summary="*",
    condition=Fixed(statistic="count", side=ThresholdSide.BELOW, threshold=10),
)


@pytest.mark.parametrize(
    ("alerter", "values", "expected"),
    [(an_alerter(), (0.3, 0.9), 0.9), (BELOW, (3, 7), 3), (RANGE, (2.5, -4.0), -4.0)],
)
def test_the_worst_value_is_the_one_furthest_on_the_wrong_side(
    alerter: Alerter, values: tuple[float, float], expected: float
) -> None:
    assert worst(alerter, *values) == worst(alerter, *reversed(values)) == expected


def test_the_limit_of_a_range_is_the_bound_that_was_passed() -> None:
    assert (RANGE.condition.limit(0.5), RANGE.condition.limit(3.0)) == (1.0, 2.0)


ALERTING = EpisodeState(status=AlertStatus.ALERTING, breaches=1, last_end_ns=minute(1).end_ns)
ALONE = Others(alerting_heard_ns=None, now_ns=0)
OPEN = Standing(agent=ALERTING, episode=OpenEpisode(id=1, opened_ns=minute(1).end_ns, worst=0.5))


def test_a_breach_while_open_worsens_and_does_not_open_again() -> None:
    assert judge(OPEN, an_evaluation(0.9, 2), ALONE).episode == Worsened(worst=0.9)
    assert judge(OPEN, an_evaluation(0.4, 2), ALONE).episode is None


def test_a_window_that_was_judged_before_changes_nothing() -> None:
    assert judge(OPEN, an_evaluation(0.1, 1), ALONE) == Changes()


@pytest.mark.parametrize(("heard_seconds_ago", "closes"), [(None, True), (599, False), (601, True)])
def test_another_agent_holds_an_episode_open_until_it_is_gone(
    heard_seconds_ago: int | None, *, closes: bool
) -> None:
    now_ns = START_NS
    heard = None if heard_seconds_ago is None else now_ns - heard_seconds_ago * NANOSECONDS
    changes = judge(OPEN, an_evaluation(0.1, 2), Others(alerting_heard_ns=heard, now_ns=now_ns))
    assert isinstance(changes.episode, Closed) is closes
