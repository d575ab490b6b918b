"""A replay is scored against marked incidents: found, missed, delay, false alarms."""

from dataclasses import replace

from nilometer.values.labels import Labels
from nilometer_collector.backtest.records import DAY_NS, Firing, Incident, Replay, scored

MINUTE_NS = 60 * 1_000_000_000
FIRING = Firing(
    summary="input.amount",
    labels=Labels(),
    since_ns=100 * MINUTE_NS,
    opened_ns=110 * MINUTE_NS,
    closed_ns=130 * MINUTE_NS,
    worst=1.0,
    severity="warning",
    evidence="",
)
REPLAY = Replay(
    entity="fraud",
    alerter="drift",
    kind="FIXED",
    start_ns=0,
    end_ns=3 * DAY_NS,
    window_ns=MINUTE_NS,
    judged=10,
    not_judged=0,
    firings=[FIRING],
)


def incident(start: int, end: int, name: str = "x", entity: str | None = None) -> Incident:
    return Incident(start_ns=start * MINUTE_NS, end_ns=end * MINUTE_NS, name=name, entity=entity)


def test_an_incident_is_found_with_its_delay() -> None:
    mark = incident(95, 120)
    score = scored(REPLAY, [mark])
    assert score is not None
    assert score.found == [(mark, 15 * MINUTE_NS)]
    assert (score.missed, score.outside, score.false_alarms) == ([], [], 0)


def test_an_episode_that_opens_after_a_short_incident_finds_it_by_its_first_breach() -> None:
    mark = incident(99, 105)
    score = scored(REPLAY, [mark])
    assert score is not None
    assert score.found == [(mark, 11 * MINUTE_NS)]


def test_an_episode_that_was_open_before_has_no_delay() -> None:
    score = scored(REPLAY, [incident(120, 125)])
    assert score is not None
    assert [delay for _, delay in score.found] == [0]


def test_what_no_episode_meets_is_missed_and_the_episode_is_a_false_alarm() -> None:
    mark = incident(130, 140)
    score = scored(REPLAY, [mark])
    assert score is not None
    assert (score.found, score.missed, score.false_alarms) == ([], [mark], 1)


def test_incidents_outside_of_the_data_are_neither_found_nor_missed() -> None:
    mark = incident(10_000, 10_100)
    score = scored(REPLAY, [mark])
    assert score is not None
    assert (score.found, score.missed, score.outside) == ([], [], [mark])


def test_incidents_of_another_entity_do_not_count() -> None:
    assert scored(REPLAY, [incident(95, 120, entity="other")]) is None
    assert scored(REPLAY, []) is None


def test_noise_is_a_number_in_thirty_days() -> None:
    assert REPLAY.a_month(REPLAY.messages) == 20.0
    assert replace(FIRING, closed_ns=None).messages == 1
    assert REPLAY.open_ns == 20 * MINUTE_NS
    assert replace(REPLAY, end_ns=0).a_month(1) == 0.0
