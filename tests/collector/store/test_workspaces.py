"""Every store tells the channels of a workspace about its entities only."""

import pytest
from support.shipping import Agents
from support.stores import Place

from nilometer_collector.access.workspaces import Workspace, Workspaces
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.errors import Refused
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, START_NS

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
