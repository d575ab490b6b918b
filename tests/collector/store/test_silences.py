"""Declared silences hold the messages of the episodes that they cover, in every store."""

from dataclasses import replace
from typing import Any

import pytest
from support.shipping import Agents
from support.watch_steps import a_part, a_step, an_opening

from nilometer.values.clock import NANOSECONDS
from nilometer.values.times import time_iso
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.declared.applying import By, apply, change_one
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of, kind_named
from nilometer_collector.store import Origin, Revision, SetObject, Store
from nilometer_collector.testing import ENTITY, START_NS

HOUR_NS = 3600 * NANOSECONDS
BY = By("alice", Origin.APPLY)


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def declare(store: Store, start: float = 0, until: float = 2, **more: Any) -> None:
    """Declare a silence from and until hours after the start."""
    times = [time_iso(START_NS + round(hours * HOUR_NS)) for hours in (start, until)]
    silence = {"entity": "fraud-*", "name": "sale", "reason": "a sale", **more}
    silence |= {"from": times[0], "until": times[1]}
    document = document_of({"version": 1, "silences": [silence]})
    apply(DeclareContext(store), document, BY, START_NS)


def withdraw(store: Store, at: float) -> None:
    kind = kind_named("silence")
    key = kind.key_named("fraud-*", "sale")
    at_ns = START_NS + round(at * HOUR_NS)
    change_one(DeclareContext(store), kind, key, lambda: (None, kind.remove(key)), BY, at_ns)


def sent(store: Store, hours: float = 0.0) -> list[tuple[str, bool]]:
    """Deliver what can be delivered after *hours*; return the status of each and whether it was held."""
    found, now_ns = [], START_NS + round(hours * HOUR_NS)
    while (notice := store.deliveries.take("slack", now_ns, is_grouping=False)) is not None:
        found.append((notice.transition.status, notice.after_silence))
        store.deliveries.delivered(notice, now_ns)
    return found


def test_an_episode_that_opens_in_a_silence_is_told_after_it(agents: Agents, store: Store) -> None:
    declare(store)
    assert agents.say("pod-1", 0.5, 1) == 0
    (made,) = store.alerts.episodes()[0].decisions
    assert (made.author, made.reason) == ("alice", "a sale (silence sale)")
    assert silence_of([made], START_NS) == made
    assert sent(store, 1.9) == []
    assert sent(store, 2) == [("ALERTING", True)]
    assert sent(store, 3) == []


def test_an_episode_that_closes_in_a_silence_is_never_told(agents: Agents, store: Store) -> None:
    declare(store)
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.1, 2)
    assert sent(store, 3) == []


def test_a_silence_that_begins_later_holds_what_waits_and_what_was_told(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    declare(store, start=1)
    assert sent(store) == [("ALERTING", False)]
    agents.say("pod-1", 0.5, 3, labels={"version": "7"})
    assert sent(store, 1) == []
    assert sent(store, 2) == [("ALERTING", True)] * 2


def test_the_end_of_a_silence_changes_what_it_holds(agents: Agents, store: Store) -> None:
    declare(store)
    agents.say("pod-1", 0.5, 1)
    declare(store, until=1)
    assert sent(store, 0.9) == []
    declare(store, until=3)
    assert sent(store, 1.1) == []
    withdraw(store, 1.2)
    assert sent(store, 1.2) == [("ALERTING", True)]


def test_a_silence_of_a_person_outlasts_a_declared_one(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    episode = store.alerts.episodes()[0].id
    own = Decision(
        kind=DecisionKind.SILENCED,
        author="bob",
        reason="known",
        made_ns=START_NS,
        until_ns=START_NS + 3 * HOUR_NS,
    )
    store.decisions.make(ENTITY, episode, own)
    declare(store)
    assert sent(store) == []
    withdraw(store, 1)
    assert sent(store, 2.9) == []
    assert sent(store, 3) == [("ALERTING", True)]


def test_a_person_may_end_a_declared_silence_for_one_episode(agents: Agents, store: Store) -> None:
    declare(store)
    agents.say("pod-1", 0.5, 1)
    episode = store.alerts.episodes()[0].id
    end = Decision(
        kind=DecisionKind.UNSILENCED, author="bob", reason="look", made_ns=START_NS + HOUR_NS
    )
    store.decisions.make(ENTITY, episode, end)
    assert sent(store, 1) == [("ALERTING", True)]
    agents.now_ns += HOUR_NS
    agents.say("pod-1", 0.1, 2)
    sent(store, 1)
    agents.say("pod-1", 0.5, 3)
    assert sent(store, 1.5) == []


@pytest.mark.parametrize(
    "limits",
    [
        {"entity": "other"},
        {"summaries": ["input.c*"]},
        {"labels": {"version": "*"}},
    ],
)
def test_an_episode_that_does_not_match_is_told(
    agents: Agents, store: Store, limits: dict[str, Any]
) -> None:
    declare(store, **limits)
    assert agents.say("pod-1", 0.5, 1) == 1
    assert agents.say("pod-1", 0.5, 1, labels={"version": "7"}) == ("labels" not in limits)


def test_every_open_part_of_an_episode_must_match(store: Store) -> None:
    declare(store, summaries=["input.amount"])
    amount, country = a_part("input.amount"), a_part("input.country")
    store.watching.save(ENTITY, a_step(episodes=[an_opening(1, amount, country)]), START_NS)
    assert sent(store) == [("ALERTING", False)]
    store.watching.save("other", a_step(episodes=[an_opening(1, amount)]), START_NS)
    assert sent(store) == [("ALERTING", False)]  # the pattern is for other entities
    store.watching.save("fraud-2", a_step(episodes=[an_opening(1, amount)]), START_NS)
    assert sent(store) == []
    joined = replace(an_opening(1, amount, country), change=None)
    store.watching.save("fraud-2", a_step(1, episodes=[joined]), START_NS)
    assert sent(store) == [("ALERTING", True)]


def test_a_weekly_silence_comes_again(agents: Agents, store: Store) -> None:
    declare(store, repeat="weekly")
    week = 7 * 24
    agents.now_ns += week * HOUR_NS
    assert agents.say("pod-1", 0.5, 1) == 0
    assert sent(store, week + 1.9) == []
    assert sent(store, week + 2) == [("ALERTING", True)]


def test_a_silence_of_a_newer_version_holds_nothing_and_stops_no_episode(
    agents: Agents, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    declare(store)
    key = kind_named("silence").key_named("fraud-*", "sale")
    newer = store.history.objects("silence")[key].replace('"reason"', '"newer":1,"reason"')
    command = SetObject(key, newer)
    revision = Revision(author="ana", origin=Origin.API, commands=[command], changes=[])
    store.history.commit(revision, START_NS)
    assert agents.say("pod-1", 0.5, 1) == 1
    assert sent(store) == [("ALERTING", False)]
    assert "cannot be read" in caplog.text
