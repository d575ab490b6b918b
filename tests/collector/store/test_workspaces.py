"""Every store tells the channels of a workspace about its entities only."""

import pytest
from support.acting import SECOND_NS, an_action, declare, step
from support.shipping import Agents
from support.stores import Place

from nilometer_collector.access.workspaces import Workspace, Workspaces
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.errors import Refused
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, START_NS, an_evaluation

OWN = Workspaces([Workspace(name="risk", entities=(ENTITY,))])


def put(store: Store, name: str, most: int = 10) -> None:
    channel = ChannelDefinition(name=name, kind="slack", secrets={"url": "https://x.example/"})
    store.channels.put(channel, "api", START_NS, most)


def test_an_episode_is_told_inside_its_workspace(place: Place) -> None:
    store = place.open("", OWN)
    for name in ("pager", "risk/pager", "search/pager"):
        put(store, name)
    Agents(store).say("pod-1", 0.5, 1)
    assert {one.channel for one in store.deliveries.records()} == {"pager", "risk/pager"}


def test_each_workspace_may_have_as_many_channels(store: Store) -> None:
    for name in ("a/x", "a/y", "b/x", "plain", "a/y"):
        put(store, name, most=2)
    with pytest.raises(Refused, match="there are 2 channels already"):
        put(store, "a/z", most=2)
    put(store, "other", most=2)


def test_a_channel_that_was_told_is_not_told_more_outside_its_workspace(place: Place) -> None:
    store = place.open("", OWN)
    for name in ("pager", "risk/pager"):
        put(store, name)
    declare(store, an_action(cure="ask_human", target="", approvers=["alice"]))
    Agents(store).say("pod-1", 0.5, 1)
    store.close()
    moved = place.open("", Workspaces([Workspace(name="risk", entities=("another",))]))
    assert step(moved, 1) == 1  # the channel of the collector
    (episode,) = moved.alerts.episodes()
    silence = Decision(
        kind=DecisionKind.SILENCED,
        author="alice",
        reason="known",
        made_ns=START_NS,
        until_ns=START_NS + SECOND_NS,
    )
    moved.decisions.make(ENTITY, episode.id, silence)
    agents = Agents(moved)
    agents.now_ns = START_NS + 60 * SECOND_NS
    agents.judge("pod-2", [an_evaluation(0.5, 1)])
    told = [one for one in moved.deliveries.records() if one.channel == "risk/pager"]
    assert [one.status for one in told] == ["ALERTING"]
