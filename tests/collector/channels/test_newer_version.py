"""Notifications wait as long as a newer version's channel or route decides about them."""

from typing import Any

import msgspec
from support.shipping import Agents

from nilometer.testing import SteppedClock
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.channels.delivery import Courier
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.receivers import Receivers
from nilometer_collector.channels.sending import Sending
from nilometer_collector.counters import Counters
from nilometer_collector.store import (
    Change,
    Key,
    Origin,
    RemoveRoute,
    Revision,
    SetReceiver,
    SetRoute,
    Store,
)

OWN = ChannelDefinition(name="slack", kind="slack", secrets={"url": "https://hooks.example/x"})


def commit(store: Store, command: Any) -> None:
    """Write *command* as the API does."""
    change = Change(key=Key("route", "", "changed"), before=None, after="{}")
    made = Revision(author="", origin=Origin.API, commands=[command], changes=[change])
    store.history.commit(made, 1)


def receivers(sent: list[str]) -> Receivers:
    """Receivers that remember the channels that something was sent to."""

    def send(sending: Sending) -> Answer:
        sent.append(sending.channel.name)
        return Answer(outcome=Outcome.DELIVERED)

    return Receivers(
        own=OWN,
        allowed=Allowed.of("webhook_allow", []),
        page_url=str,
        senders={"slack": send},
    )


def test_nothing_is_sent_where_only_a_route_that_cannot_be_read_may_lead(store: Store) -> None:
    unknown: Any = {"slack": "critical"}  # the channels of a route, as a newer version has them
    commit(store, SetRoute(RouteDefinition(name="strange", channels=unknown), "api"))
    Agents(store).say("pod-1", 0.5, 1)
    sent: list[str] = []
    courier = Courier("slack", store, receivers(sent), SteppedClock(), Counters())
    assert courier.deliver_oldest() is None
    commit(store, SetRoute(RouteDefinition(name="known", channels=["slack"]), "api"))
    courier.deliver_oldest()
    assert sent == ["slack"]  # another route names it


def test_what_waits_for_a_route_is_sent_once_the_route_is_gone(store: Store) -> None:
    unknown: Any = {"slack": "critical"}
    commit(store, SetRoute(RouteDefinition(name="strange", channels=unknown), "api"))
    commit(store, SetRoute(RouteDefinition(name="other/strange", channels=unknown), "api"))
    Agents(store).say("pod-1", 0.5, 1)
    sent: list[str] = []
    courier = Courier("slack", store, receivers(sent), SteppedClock(), Counters())
    courier.deliver_oldest()
    assert sent == []
    commit(store, RemoveRoute("strange"))  # that of a workspace leads to channels of it only
    courier.deliver_oldest()
    assert sent == ["slack"]


def test_the_channel_of_the_settings_does_not_stand_in_for_a_stored_one(store: Store) -> None:
    class NewChannel(ChannelDefinition, frozen=True, kw_only=True):
        colour: str = "red"

    known = receivers([])
    assert known.read(store, "slack") == OWN
    newer = NewChannel(**msgspec.structs.asdict(OWN))
    commit(store, SetReceiver(newer, "api"))
    assert known.read(store, "slack") is None
    assert known.all(store) == []
