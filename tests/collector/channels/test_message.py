"""A message says what moved, how far, since when, what stands beside it and what can be done."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from support.shipping import a_sample_row, ship
from support.told import CAUSE, HEALTH, a_message, a_notice, a_part, a_storm

from nilometer.alert.calibrated.effects import Unit
from nilometer.values.labels import Labels
from nilometer_collector.channels.message import REMEDY, Stage, message_of
from nilometer_collector.channels.sparkline import bars_of
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.store import Arrival, EpisodeRecord, Store
from nilometer_collector.testing import (
    ENTITY,
    PAGES,
    START_NS,
    feature_sample,
    minute,
    service_sample,
)


def test_a_message_about_an_alerter_has_every_part() -> None:
    message = a_message(a_notice(labels=Labels.of(version="v8")))
    assert message.lines() == [
        "WARNING: fraud-scorer / input.amount [version=v8]",
        "PSI from training is 0.5 (threshold 0.2).",
        CAUSE,
        HEALTH,
        REMEDY,
        f"{PAGES}/#/entity/fraud-scorer/summary/input.amount?label=version%3Av8&time=1700003640",
    ]
    assert [row.moved for row in message.rows] == [
        "psi = 0.5 nats at 2023-11-14 23:14 UTC (threshold 0.2)"
    ]


def test_parts_that_drift_together_are_rows_the_earliest_first() -> None:
    segment = Labels.of(version="v8")
    parts = [a_part("input.amount", 30), a_part("input.age", 10, labels=segment, direction=-1)]
    shares = a_part(
        "output.score", 20, unit=Unit.SHARE.value, effect=0.1, bound=0.06, tolerance=0.05
    )
    message = a_message(a_notice(parts=[*parts, shares]))
    assert message.headline == "WARNING: fraud-scorer / input.amount and 2 more"
    assert [(row.where, row.summary, row.since[-9:]) for row in message.rows] == [
        ("version=v8, input", "input.age", "22:24 UTC"),
        ("output", "output.score", "22:34 UTC"),
        ("input", "input.amount", "22:44 UTC"),
    ]
    assert message.rows[0].moved == (
        "position 0.82 sd below normal (at least 0.51 sd, noise and tolerance 0.25 sd)"
    )
    assert "10 % above normal (at least 6 %" in message.rows[1].moved
    assert message.since_ns == START_NS + 10 * 60 * 10**9  # the onset, not the detection


def test_a_closing_asks_for_nothing() -> None:
    message = a_message(a_notice(closed=True))
    assert message.stage is Stage.CLOSED
    assert message.headline.startswith("CLEARED: ")
    assert message.remedy == message.cause == ""


def test_an_episode_that_opened_and_closed_is_told_by_its_last_state() -> None:
    message = a_message(a_notice(), a_notice(closed=True))
    assert [one.stage for one in message.told] == [Stage.CLOSED]


def test_a_storm_is_a_digest_with_counts() -> None:
    message = a_storm(1000)
    assert message.is_digest
    assert message.headline == "CRITICAL: episodes of 1000 entities: 1000 opened"
    assert len(message.lines()) == 13
    assert "990 more episodes are on the page." in message.lines()


def test_a_flapping_episode_is_told_as_that() -> None:
    assert "it has opened 5 times within an hour" in a_message(a_notice(openings=5)).note
    assert a_message(a_notice(openings=4)).note == ""


def test_the_health_of_the_service_is_read_up_to_the_window(store: Store) -> None:
    for number in range(3):
        sample = service_sample([0.1] * 98 + [0.5] * 2, failed=2, window=minute(number))
        ship(store, [Arrival(sequence=number + 1, content=a_sample_row(sample))])
    beside = Surroundings(store, PAGES)
    told = beside.health(ENTITY, minute(2).end_ns)
    assert told.startswith(
        "Service in the 15 minutes before: 300 requests, 2 % failed, p99 latency "
    )
    assert beside.health(ENTITY, minute(2000).end_ns) == beside.health("other", START_NS) == ""


def test_the_likely_cause_is_told_and_a_failure_to_find_it_stops_no_message(store: Store) -> None:
    episode = a_notice().episode
    known = Surroundings(store, PAGES, lambda episodes: f"{len(episodes)} moved.")
    assert known.cause([episode, episode]) == "Likely cause: 2 moved."
    assert Surroundings(store, PAGES).cause([episode]) == ""

    def fail(episodes: Sequence[EpisodeRecord]) -> str:
        raise RuntimeError(len(episodes))

    assert Surroundings(store, PAGES, fail).cause([episode]) == ""


def test_a_row_shows_the_course_of_the_last_two_hours(store: Store) -> None:
    for number in range(0, 30, 5):
        sample = feature_sample([float(number)] * 9, window=minute(number))
        ship(store, [Arrival(sequence=number + 1, content=a_sample_row(sample))])
    beside = Surroundings(store, PAGES)
    end_ns = minute(29).end_ns
    line = beside.trend(ENTITY, "input.amount", Labels(), "position", end_ns)
    assert (len(line), line.strip()) == (24, "▁▂▄▅▇█")
    assert beside.trend(ENTITY, "input.amount", Labels.of(version="v8"), "position", end_ns) == ""
    notice = replace(a_notice(), transition=replace(a_notice().transition, at_ns=end_ns))
    message = message_of(notice, beside)
    assert message.rows[0].trend == line


def test_bars_span_from_the_smallest_to_the_largest_value() -> None:
    assert bars_of([1.0, None, 3.0, 2.0]) == "▁ █▅"
    assert bars_of([5.0, 5.0]) == "▁▁"
    assert bars_of([5.0, None]) == bars_of([]) == ""


def test_each_of_several_episodes_has_links_of_its_own_until_there_are_too_many() -> None:
    notices = [
        a_notice(number, labels=Labels.of(version=f"v{number}"), closed=number == 2)
        for number in range(1, 7)
    ]
    message = a_message(*notices)
    decided = [(one.text, parse_qs(urlsplit(one.url).query)) for one in message.choices]
    assert [text for text, _ in decided[::3]] == [
        f"Acknowledge: input.amount [version=v{number}], drift" for number in (1, 3, 4)
    ]
    assert [asked["episode"] for _, asked in decided[::3]] == [["1"], ["3"], ["4"]]
    assert [asked["message"] for _, asked in decided[::3]] == [["key-1"], ["key-3"], ["key-4"]]
    assert [one.text for one in a_message().choices] == [
        "Acknowledge",
        "Silence",
        "Accept as normal",
    ]
    assert not a_storm(3).choices
