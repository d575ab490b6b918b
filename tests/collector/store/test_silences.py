"""Declared silences hold the messages of the episodes that they cover, in every store."""

from dataclasses import replace
from typing import Any

import pytest
from support.shipping import Agents
from support.watch_steps import a_part, a_step, an_opening

from nilometer.alert.limit import Limit
from nilometer.values.clock import NANOSECONDS
from nilometer.values.times import time_iso
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.declared.applying import By, apply, change_one
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of, kind_named
from nilometer_collector.store import Origin, Revision, SetObject, Store
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.sqlite import database as sqlite_database
from nilometer_collector.testing import ENTITY, START_NS, an_alerter

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


def made(store: Store) -> list[str]:
    """Return the kinds of the decisions about the newest episode, oldest first."""
    return [one.kind.value for one in store.alerts.episodes()[0].decisions]


@pytest.fixture
def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every query that the store has made since the list was cleared."""
    found: list[object] = []
    kind = sqlite_database.Database if "Sqlite" in type(store).__name__ else Session
    rows = kind.rows

    def counted(self: Any, statement: Any, *values: Any) -> Any:
        found.append(statement)
        return rows(self, statement, *values)

    monkeypatch.setattr(kind, "rows", counted)
    return found


def open_many(agents: Agents, versions: range) -> None:
    """Open an episode for each version."""
    for version in versions:
        agents.say("pod-1", 0.5, version + 1, labels={"version": str(version)})


@pytest.mark.parametrize(
    ("until", "more"), [(1, {}), (1000, {"entity": "other-*"}), (1000, {"summaries": ["x"]})]
)
def test_a_message_costs_the_same_queries_for_any_number_of_open_episodes(
    agents: Agents, store: Store, statements: list[object], until: float, more: dict[str, Any]
) -> None:
    declare(store, until=until, **more)
    agents.now_ns += 2 * HOUR_NS
    counts = []
    for versions in (range(1), range(1, 9)):
        open_many(agents, versions)
        statements.clear()
        sent_one = store.deliveries.take("slack", agents.now_ns, is_grouping=False)
        counts.append(len(statements))
        assert sent_one is not None
        store.deliveries.delivered(sent_one, agents.now_ns)
        agents.now_ns += HOUR_NS
    assert counts[0] == counts[1]


def test_a_silence_that_changes_nothing_is_settled_once_a_second(
    agents: Agents, store: Store, statements: list[object]
) -> None:
    declare(store)
    open_many(agents, range(2))
    counts = []
    for later_ns in (0, NANOSECONDS - 1, NANOSECONDS, NANOSECONDS - 1):  # the clock goes back, too
        statements.clear()
        store.decisions.settle_silences(START_NS + later_ns)
        counts.append(len(statements))
    assert counts[1] < counts[0] == counts[2] == counts[3]
    declare(store, until=3)
    store.decisions.settle_silences(START_NS + NANOSECONDS - 1)
    assert made(store) == ["silenced", "silenced"]


def test_a_silence_is_seen_as_soon_as_it_begins(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    declare(store, start=1)
    for later_ns in (-NANOSECONDS // 2, 0):
        store.decisions.settle_silences(START_NS + HOUR_NS + later_ns)
    assert made(store) == ["silenced"]


def test_collectors_whose_clocks_differ_do_not_undo_a_silence(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    declare(store, start=1, repeat="daily")
    for day in (0, 24):
        for seconds in (5, -55, 6, -54, 7):
            at_ns = START_NS + (1 + day) * HOUR_NS + seconds * NANOSECONDS
            store.decisions.settle_silences(at_ns)
    assert made(store) == ["silenced"] * 2
    store.decisions.settle_silences(START_NS + 25 * HOUR_NS - 50 * NANOSECONDS)
    withdraw(store, 25)
    for seconds in (-49, 8, -48):
        store.decisions.settle_silences(START_NS + 25 * HOUR_NS + seconds * NANOSECONDS)
    assert made(store) == ["silenced"] * 2 + ["unsilenced"]  # at once, also by the slow clock


def test_a_clock_that_was_wrong_does_not_silence_for_long(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    declare(store, start=1, repeat="daily")
    store.decisions.settle_silences(START_NS + (1 + 24 * 300) * HOUR_NS)
    store.decisions.settle_silences(START_NS)
    assert made(store) == ["silenced", "unsilenced"]


@pytest.mark.parametrize("is_told", [False, True])
def test_an_escalation_in_a_silence_holds_the_opening_before_it(
    agents: Agents, store: Store, *, is_told: bool
) -> None:
    alerter = an_alerter(critical=Limit(threshold=0.8))
    agents.say("pod-1", 0.5, 1, alerter=alerter)
    if is_told:
        sent(store)
    declare(store, start=1)
    agents.now_ns += HOUR_NS
    agents.say("pod-1", 0.9, 2, alerter=alerter)
    assert made(store) == ["silenced"]
    assert sent(store, 1) == []
    assert sent(store, 2) == [("ALERTING", True)]


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
    assert sent(store, 1 / 3600) == [("ALERTING", True)]  # parts are looked at once a second


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
    unknown = f'"newer_{type(store).__name__}":1,"reason"'  # logged once for each content
    newer = store.history.objects("silence")[key].replace('"reason"', unknown)
    command = SetObject(key, newer)
    revision = Revision(author="ana", origin=Origin.API, commands=[command], changes=[])
    store.history.commit(revision, START_NS)
    assert agents.say("pod-1", 0.5, 1) == 1
    assert sent(store) == [("ALERTING", False)]
    assert "set aside" in caplog.text
