"""An episode opens with the first agent and closes with the last, with one message for each."""

import pytest

from nilometer.alert import (
    Alerter,
    AlertStatus,
    EpisodeState,
    Fixed,
    Range,
    ThresholdSide,
)
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
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
)


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
ALONE = Others(alerting_heard_ns=None, alerting_end_ns=None, now_ns=0)
OPEN = Standing(agent=ALERTING, episode=OpenEpisode(id=1, opened_ns=minute(1).end_ns, worst=0.5))


def test_a_breach_while_open_worsens_and_does_not_open_again() -> None:
    worse = Worsened(worst=0.9, at_ns=minute(2).end_ns)
    assert judge(OPEN, an_evaluation(0.9, 2), ALONE).episode == worse
    assert judge(OPEN, an_evaluation(0.4, 2), ALONE).episode is None


def test_a_window_that_was_judged_before_changes_nothing() -> None:
    assert judge(OPEN, an_evaluation(0.1, 1), ALONE) == Changes()


@pytest.mark.parametrize(("heard_seconds_ago", "closes"), [(None, True), (599, False), (601, True)])
def test_another_agent_holds_an_episode_open_until_it_is_gone(
    heard_seconds_ago: int | None, *, closes: bool
) -> None:
    now_ns = START_NS
    heard = None if heard_seconds_ago is None else now_ns - heard_seconds_ago * NANOSECONDS
    others = Others(alerting_heard_ns=heard, alerting_end_ns=minute(1).end_ns, now_ns=now_ns)
    changes = judge(OPEN, an_evaluation(0.1, 2), others)
    assert isinstance(changes.episode, Closed) is closes
