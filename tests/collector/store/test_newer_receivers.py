"""Notifications for channels, and along routes, that a newer version wrote."""

from support.acting import an_action, declare, step
from support.shipping import Agents

from nilometer_collector.access.destinations import Allowed
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.channels.posting import Outcome
from nilometer_collector.store import Command, Origin, Revision, SetReceiver, SetRoute, Store
from nilometer_collector.store.routing import awaits_route
from nilometer_collector.testing import START_NS


class NewChannel(ChannelDefinition, frozen=True, kw_only=True):
    """A channel of a newer version."""

    colour: str = "red"


class NewTarget(TargetDefinition, frozen=True, kw_only=True):
    """A target of a newer version."""

    colour: str = "red"


class NewRoute(RouteDefinition, frozen=True, kw_only=True):
    """A route of a newer version."""

    colour: str = "red"


def write(store: Store, *commands: Command) -> None:
    """Write *commands* as the API does."""
    store.history.commit(
        Revision(author="ann", origin=Origin.API, commands=[*commands], changes=[]), 1
    )


def test_a_channel_of_a_newer_version_keeps_its_notifications(store: Store) -> None:
    channel = ChannelDefinition(name="pager", kind="pagerduty")
    agents = Agents(store)
    write(store, SetReceiver(NewChannel(name="pager", kind="pagerduty"), "api"))
    agents.say("pod-1", 0.5, 1)
    opening = store.deliveries.take("pager", agents.now_ns)
    assert opening is not None
    store.deliveries.delivered(opening, agents.now_ns)
    for number in range(2, 9):
        agents.say("pod-1", 0.0, number)
    write(store, SetReceiver(channel, "api"))  # a version that can read it
    closing = store.deliveries.take("pager", agents.now_ns)
    assert closing is not None
    assert agents.statuses == [["ALERTING", "OK"]]


def test_the_known_fields_of_a_route_of_a_newer_version_hold(store: Store) -> None:
    names = ["eu", "us", "night", "later"]
    write(
        store,
        *(SetReceiver(ChannelDefinition(name=name, kind="webhook"), "api") for name in names),
        SetRoute(NewRoute(name="a", channels=["eu"], entities=["fraud-*"]), "api"),
        SetRoute(NewRoute(name="b", channels=["us"], entities=["ranking-*"]), "api"),
        SetRoute(NewRoute(name="c", channels=["night"], severity="critical"), "api"),
        # Its hours cannot be known, so it tells now.
        SetRoute(NewRoute(name="d", channels=["later"], time_zone="Mars/Olympus"), "api"),
    )
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    told = {name for name in names if store.deliveries.take(name, agents.now_ns) is not None}
    assert told == {"eu", "later"}


def test_a_route_of_a_newer_version_may_name_more_channels_or_none(store: Store) -> None:
    names = ["eu", "us", "all"]
    many = ["eu", *(f"more-{number}" for number in range(16))]
    write(
        store,
        *(SetReceiver(ChannelDefinition(name=name, kind="webhook"), "api") for name in names),
        SetRoute(NewRoute(name="a", channels=many, entities=["ranking-*"]), "api"),
        SetRoute(NewRoute(name="b", channels=["us"]), "api"),
        SetRoute(NewRoute(name="c", channels=[]), "api"),
    )
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    told = {name for name in names if store.deliveries.take(name, agents.now_ns) is not None}
    assert told == {"us", "all"}
    assert not any(awaits_route(name, store.routes.contents()) for name in [*many, "all"])


def test_a_run_waits_as_long_as_its_target_cannot_be_read(store: Store) -> None:
    write(store, SetReceiver(NewTarget(name="ci", kind="github"), "api"))
    declare(store, an_action())
    Agents(store).say("pod-1", 0.5, 1)
    for _ in range(2):
        step(store)
    assert store.actions.take(START_NS) is None
    write(store, SetReceiver(TargetDefinition(name="ci", kind="github"), "api"))
    run = store.actions.take(START_NS)
    assert run is not None
    targets = Targets(allowed=Allowed(), page_url=str)
    write(store, SetReceiver(NewTarget(name="ci", kind="webhook"), "api"))  # while it is sent
    answer = targets.send(store, run, store.alerts.episode(run.entity, run.episode), START_NS)
    assert (answer.outcome, answer.may_have_arrived) == (Outcome.FAILED, False)
    assert answer.reason == "a newer collector wrote the target 'ci': upgrade this collector"
    assert answer.wait_seconds > 0
    assert not targets.may_repeat(store, run)
