"""Couriers follow the channels: each has one, at its pace, and a bad one delays no other."""

import pytest
from support.shipping import Agents

from nilometer.testing import SteppedClock, eventually
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import KINDS, MOST_CHANNELS, ChannelDefinition
from nilometer_collector.channels import Courier, Couriers, Outcome, Receivers, send_sample
from nilometer_collector.channels.message import Stage
from nilometer_collector.channels.posting import Answer
from nilometer_collector.channels.sending import Sending
from nilometer_collector.counters import Counters
from nilometer_collector.store import API_ORIGIN, SETTINGS_ORIGIN, Store
from nilometer_collector.store.composing import STORM_ENTITIES
from nilometer_collector.testing import (
    PAGES,
    START_NS,
    Webhook,
    an_alerter,
    listening_webhook,
    receivers_of,
)


def put(store: Store, name: str, url: str, kind: str = "slack") -> None:
    channel = ChannelDefinition(name=name, kind=kind, secrets={"url": url})
    store.channels.put(channel, "api", START_NS, 10)


def test_a_channel_that_is_created_changed_or_deleted_is_followed(
    store: Store, webhook: Webhook
) -> None:
    couriers = Couriers(store, receivers_of(), SteppedClock(), Counters())
    couriers.thread.start()
    agents = Agents(store)
    with listening_webhook() as elsewhere:
        put(store, "team", webhook.url)
        agents.say("pod-1", 0.5, 1)
        couriers.thread.wake()
        eventually(lambda: store.deliveries.counts("team").delivered == 1)
        put(store, "team", elsewhere.url)
        agents.say("pod-1", 0.1, 2)
        couriers.thread.wake()
        eventually(lambda: store.deliveries.counts("team").delivered == 2)
        assert (len(webhook.posted), len(elsewhere.posted)) == (1, 1)
    store.channels.delete("team", START_NS)
    agents.say("pod-1", 0.5, 3)
    couriers.stop(5)
    assert store.deliveries.counts("team").waiting == 0


def test_a_channel_whose_receiver_is_away_delays_no_other(store: Store, webhook: Webhook) -> None:
    put(store, "away", "http://127.0.0.1:9/x")
    put(store, "here", webhook.url)
    couriers = Couriers(store, receivers_of(), SteppedClock(), Counters())
    Agents(store).say("pod-1", 0.5, 1)
    couriers.thread.start()
    eventually(lambda: store.deliveries.counts("here").delivered == 1)
    eventually(lambda: store.deliveries.records("away")[0].tries > 0)
    couriers.stop(5)
    assert store.deliveries.counts("away").waiting == 1


def test_a_thousand_openings_are_some_messages_at_the_pace_of_the_channel(
    store: Store, webhook: Webhook
) -> None:
    put(store, "team", webhook.url)
    slack = KINDS["slack"]
    clock, agents = SteppedClock(), Agents(store)
    carrier = Courier("team", store, receivers_of(), clock, Counters())
    waited = 0.0
    for number in range(200):
        agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=f"model-{number}"))
        wait = carrier.deliver_oldest()
        assert wait is not None
        if wait:
            clock.step(slack.pace_seconds / 40)
            waited += slack.pace_seconds / 40
    clock.step(slack.pace_seconds)
    assert carrier.deliver_oldest() == 0.0
    counts = store.deliveries.counts("team")
    assert (counts.waiting, counts.delivered) == (0, 200)
    assert len(webhook.posted) <= slack.burst + waited / slack.pace_seconds + 1
    digests = [posted.content["text"] for posted in webhook.posted[slack.burst + 1 :]]
    assert digests
    assert all("episodes of" in text for text in digests)


def test_events_come_within_the_rate_limit_of_their_receiver(store: Store) -> None:
    """PagerDuty takes 120 events a minute of an integration."""
    own = ChannelDefinition(name="slack", kind="pagerduty", secrets={"routing_key": "k" * 32})
    clock, agents, at = SteppedClock(), Agents(store), []

    def send(sending: Sending) -> Answer:
        assert sending.message.stage is Stage.OPENED
        at.append(clock.monotonic())
        return Answer(outcome=Outcome.DELIVERED)

    receivers = Receivers(
        own=own, allowed=Allowed(), page_url=lambda: PAGES, senders={"pagerduty": send}
    )
    for number in range(130):
        agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=f"model-{number}"))
    carrier = Courier("slack", store, receivers, clock, Counters())
    while (wait := carrier.deliver_oldest()) is not None:
        clock.step(wait)
    assert len(at) == 130
    assert max(sum(start <= one < start + 60 for one in at) for start in at) <= 120
    assert sum(one == 0.0 for one in at) == KINDS["pagerduty"].burst


def test_alertmanager_is_told_again_of_open_episodes(store: Store, webhook: Webhook) -> None:
    url = webhook.url.partition("/services")[0]
    channel = ChannelDefinition(name="am", kind="alertmanager", settings={"url": url})
    store.channels.put(channel, "api", START_NS, 10)
    clock, agents = SteppedClock(), Agents(store)
    carrier = Courier("am", store, receivers_of(), clock, Counters())
    agents.say("pod-1", 0.5, 1)
    for _ in range(3):
        carrier.deliver_oldest()
    assert len(webhook.posted) == 1
    clock.step(KINDS["alertmanager"].repeat_seconds)
    webhook.statuses = [503]
    for _ in range(2):
        carrier.deliver_oldest()
    clock.step(KINDS["alertmanager"].repeat_seconds)
    carrier.deliver_oldest()
    first, failed, again = (posted.content[0]["labels"] for posted in webhook.posted)
    assert first == failed == again
    agents.say("pod-1", 0.1, 2)
    carrier.deliver_oldest()
    clock.step(KINDS["alertmanager"].repeat_seconds)
    carrier.deliver_oldest()
    assert len(webhook.posted) == 4
    assert store.deliveries.counts("am").delivered == 2


def test_an_episode_that_a_receiver_refuses_takes_no_other_with_it(
    store: Store, webhook: Webhook
) -> None:
    put(store, "team", webhook.url)
    agents = Agents(store)
    for number in range(STORM_ENTITIES):
        agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=f"model-{number}"))
    webhook.statuses = [413, 400, 400, 400]  # all, the first five, the first two, and the first
    carrier = Courier("team", store, receivers_of(), SteppedClock(), Counters())
    while carrier.deliver_oldest() is not None:
        pass
    counts = store.deliveries.counts("team")
    assert (counts.waiting, counts.delivered, counts.refused) == (0, STORM_ENTITIES - 1, 1)


@pytest.mark.parametrize("origin", [API_ORIGIN, SETTINGS_ORIGIN])
def test_only_a_channel_of_the_settings_sends_without_a_guard(store: Store, origin: str) -> None:
    """One that an earlier version took from somebody else says so, too."""
    secrets = {"url": "json://10.0.0.1/"}
    channel = ChannelDefinition(
        name="slack", kind="apprise", settings={"guard": "off"}, secrets=secrets
    )
    store.channels.put(channel, origin, START_NS, MOST_CHANNELS)
    guarded = []

    def send(sending: Sending) -> Answer:
        guarded.append(sending.is_guarded)
        return Answer(outcome=Outcome.DELIVERED)

    receivers = Receivers(
        own=None, allowed=Allowed(), page_url=lambda: PAGES, senders={"apprise": send}
    )
    Agents(store).say("pod-1", 0.5, 1)
    Courier("slack", store, receivers, SteppedClock(), Counters()).deliver_oldest()
    send_sample(channel, receivers, store, START_NS)
    assert guarded == [origin == API_ORIGIN] * 3
