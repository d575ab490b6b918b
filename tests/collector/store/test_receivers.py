"""Channels and routes in every store: who is told what, when, and in how many messages."""

import pytest
from support.shipping import Agents

from nilometer.alert import Severity
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.errors import Refused
from nilometer_collector.store import SETTINGS_ORIGIN, EntityDeclaration, EntityKind, Notice, Store
from nilometer_collector.store.composing import FLAPPING_OPENINGS, STORM_ENTITIES
from nilometer_collector.testing import ENTITY, START_NS, an_alerter, an_evaluation

HOUR_NS = 3600 * NANOSECONDS


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def a_channel(name: str, kind: str = "slack") -> ChannelDefinition:
    return ChannelDefinition(name=name, kind=kind, secrets={"url": f"https://x.example/{name}"})


def a_route(name: str, *channels: str, **fields: object) -> RouteDefinition:
    return RouteDefinition(name=name, channels=list(channels), **fields)  # type: ignore[arg-type]


def put(store: Store, *objects: ChannelDefinition | RouteDefinition) -> None:
    for one in objects:
        if isinstance(one, ChannelDefinition):
            store.channels.put(one, "api", START_NS, 10)
        else:
            store.routes.put(one, "api", START_NS, 10)


class NewChannel(ChannelDefinition, frozen=True, kw_only=True):
    """A channel of a newer version."""

    colour: str = "red"


def test_a_channel_of_a_newer_version_is_set_aside_and_can_be_removed(store: Store) -> None:
    put(store, NewChannel(name="team", kind="slack"), a_channel("other"))
    assert [one.name for one in store.channels.all()] == ["other"]
    assert store.channels.read("team") is None
    assert "colour" in store.channels.unread()["team"].reason
    assert store.channels.delete("team", START_NS)
    assert (store.channels.unread(), store.channels.delete("team", START_NS)) == ({}, False)


def take(store: Store, channel: str = "slack", now_ns: int = START_NS) -> Notice:
    notice = store.deliveries.take(channel, now_ns)
    assert notice is not None
    return notice


def told(store: Store, channel: str, now_ns: int = START_NS) -> list[list[str]]:
    """Deliver all messages of *channel*; return the summaries that each tells."""
    found = []
    while (notice := store.deliveries.take(channel, now_ns)) is not None:
        found.append([one.episode.summary for one in (notice, *notice.others)])
        store.deliveries.delivered(notice, now_ns)
    return found


def test_objects_are_kept_replaced_and_deleted_by_name_and_origin(store: Store) -> None:
    put(store, a_channel("a"), a_channel("b"), a_route("r", "a", severity="critical"))
    store.channels.put(a_channel("d", "teams"), SETTINGS_ORIGIN, START_NS, 2)  # no limit for those
    assert [(one.name, one.kind) for one in store.channels.all()] == [
        ("a", "slack"),
        ("b", "slack"),
        ("d", "teams"),
    ]
    assert store.channels.named(SETTINGS_ORIGIN) == {"d"}
    assert store.routes.named(SETTINGS_ORIGIN) == set()
    assert store.routes.read("r") == a_route("r", "a", severity="critical")
    assert store.channels.delete("a", START_NS)
    assert not store.channels.delete("a", START_NS)
    assert store.channels.read("a") is None
    with pytest.raises(Refused, match="at most 2"):
        store.channels.put(a_channel("e"), "api", START_NS, 2)


def test_an_episode_goes_to_the_channels_of_its_routes(agents: Agents, store: Store) -> None:
    put(store, *(a_channel(name) for name in ("all", "team", "pager", "other", "v8")))
    put(store, a_route("team", "team", entities=["fraud-*"], owners=["risk"]))
    put(
        store,
        a_route("pager", "pager", severity="critical"),
        a_route("other", "other", entities=["x"]),
    )
    put(store, a_route("v8", "v8", labels={"version": "v8*"}))
    owned = EntityDeclaration(
        kind=EntityKind.MODEL,
        owner="risk",
        time_zone="UTC",
        description="",
        attributes={},
        reads_from=(),
    )
    store.entities.put(ENTITY, owned, START_NS)
    agents.say("pod-1", 0.5, 1, labels={"version": "v8.1"})
    agents.say(
        "pod-1",
        0.5,
        1,
        summary="input.age",
        alerter=an_alerter(name="x", severity=Severity.CRITICAL),
    )
    names = ("all", "team", "pager", "other", "v8")
    summaries = {name: [one for all_of in told(store, name) for one in all_of] for name in names}
    assert summaries == {
        "all": ["input.amount", "input.age"],  # no route names this channel
        "team": ["input.amount", "input.age"],
        "pager": ["input.age"],
        "other": [],
        "v8": ["input.amount"],
    }


def test_a_closing_goes_to_those_who_were_told_of_the_opening(agents: Agents, store: Store) -> None:
    put(store, a_channel("before"), a_route("r", "before"))
    agents.say("pod-1", 0.5, 1)
    put(store, a_channel("after"))
    store.routes.delete("r", START_NS)
    agents.say("pod-1", 0.1, 2)
    assert len(told(store, "before")) == 2
    assert told(store, "after") == []


def test_hours_hold_an_opening_until_they_begin_or_skip_it(agents: Agents, store: Store) -> None:
    # START_NS is Tuesday, 2023-11-14 22:14 UTC: 23:14 in Berlin.
    put(store, a_channel("day"), a_channel("night"), a_channel("skips"))
    berlin = {"time_zone": "Europe/Berlin", "hours": "09:00-17:00"}
    put(store, a_route("day", "day", **berlin), a_route("skip", "skips", outside="skip", **berlin))
    put(store, a_route("night", "night", time_zone="Europe/Berlin", hours="17:00-09:00"))
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, summary="input.age")
    assert told(store, "night") == [["input.amount", "input.age"]]
    assert told(store, "day") == told(store, "skips") == []
    agents.say("pod-1", 0.1, 2, summary="input.age")  # nobody of the day is told about this one
    assert told(store, "day", START_NS + 9 * HOUR_NS) == []
    assert told(store, "day", START_NS + 10 * HOUR_NS) == [["input.amount"]]


def test_features_that_drift_together_are_one_message(agents: Agents, store: Store) -> None:
    names = [f"input.f{number}" for number in range(10)]
    agents.judge("pod-1", [an_evaluation(0.5, 1, summary=name) for name in names])
    agents.judge("pod-1", [an_evaluation(0.1, 2, summary=name) for name in names])
    assert told(store, "slack") == [names, names]
    assert len({one.key for one in store.deliveries.records("slack")}) == 2


def test_a_storm_is_one_digest_and_a_receiver_of_incidents_gets_each(
    agents: Agents, store: Store
) -> None:
    put(store, a_channel("pager", "pagerduty"))
    for number in range(STORM_ENTITIES):
        agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=f"model-{number}"))
    notice = take(store)
    assert len(notice.others) == STORM_ENTITIES - 1
    single = store.deliveries.take("pager", START_NS, is_grouping=False)
    assert single is not None
    assert single.others == ()


def test_a_flapping_episode_is_told_as_that_and_then_waits(agents: Agents, store: Store) -> None:
    openings = []
    for number in range(0, 20, 2):
        agents.say("pod-1", 0.5, number)
        notice = store.deliveries.take("slack", agents.now_ns)
        openings.append(notice.openings if notice else 0)
        told(store, "slack", agents.now_ns)
        agents.say("pod-1", 0.1, number + 1)
        told(store, "slack", agents.now_ns)
        agents.now_ns += 60 * NANOSECONDS
    assert openings == [1, 2, 3, 4, FLAPPING_OPENINGS, 0, 0, 0, 0, 0]
    agents.say("pod-1", 0.5, 30)
    assert store.deliveries.take("slack", agents.now_ns) is None
    lasting = take(store, now_ns=agents.now_ns + HOUR_NS)
    assert lasting.transition.status == "ALERTING"


def test_a_receiver_of_incidents_is_told_of_an_acknowledgement(
    agents: Agents, store: Store
) -> None:
    put(store, a_channel("pager", "pagerduty"), a_channel("chat"))
    agents.say("pod-1", 0.5, 1)
    made = Decision(
        kind=DecisionKind.ACKNOWLEDGED, author="alice", reason="on it", made_ns=START_NS
    )
    store.decisions.make(ENTITY, store.alerts.episodes()[0].id, made)
    told(store, "chat")
    assert told(store, "chat") == []
    assert not take(store, "pager").is_acknowledgement
    store.deliveries.delivered(take(store, "pager"), START_NS)
    assert take(store, "pager").is_acknowledgement


def test_every_attempt_at_a_message_is_listed(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    first = take(store)
    store.deliveries.failed(first, START_NS, "status 500")
    store.deliveries.failed(take(store, now_ns=START_NS + 1), START_NS + 1, "status 503")
    store.deliveries.delivered(take(store, now_ns=START_NS + 2), START_NS + 2)
    (record,) = store.deliveries.records("slack", ENTITY)
    assert (record.key, record.outcome, record.settled_ns) == (first.key, "delivered", START_NS + 2)
    assert record.attempts == (
        (START_NS, "failed", "status 500"),
        (START_NS + 1, "failed", "status 503"),
        (START_NS + 2, "delivered", ""),
    )
    assert store.deliveries.records("other") == []


def test_the_waiting_notifications_of_a_deleted_channel_are_not_sent(
    agents: Agents, store: Store
) -> None:
    put(store, a_channel("team"))
    agents.say("pod-1", 0.5, 1)
    store.channels.delete("team", START_NS)
    counts = store.deliveries.counts("team")
    assert (counts.waiting, counts.withheld) == (0, 1)
