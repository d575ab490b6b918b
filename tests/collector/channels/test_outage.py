"""A receiver that was away gets the last state of every episode within a minute of its return.

The clock is stepped, so an hour passes at once.
"""

import random
from dataclasses import dataclass, field
from itertools import count

import pytest
from support.shipping import Agents

from nilometer.testing import SteppedClock
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels import Courier, Outcome, Receivers
from nilometer_collector.channels.delivery import IDLE_SECONDS
from nilometer_collector.channels.posting import Answer
from nilometer_collector.channels.sending import Sending
from nilometer_collector.counters import Counters
from nilometer_collector.settings import OWN_CHANNEL
from nilometer_collector.store import Store
from nilometer_collector.testing import PAGES, an_alerter, an_evaluation

AWAY_SECONDS = 3600.0
RETURN_SECONDS = 60.0
SECRETS = {"slack": {"url": "https://x.example/"}, "pagerduty": {"routing_key": "k" * 32}}


@dataclass
class Receiver:
    """A receiver that is away for the first hour.

    Attributes:
        states: Last state of each episode that has arrived, by entity and summary.
        messages: Number of messages that told an episode, by entity and summary.
        last_at: Time of the last message, in seconds.
    """

    clock: SteppedClock
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    messages: dict[tuple[str, str], int] = field(default_factory=dict)
    last_at: float = 0.0

    def send(self, sending: Sending) -> Answer:
        """Take a message, unless the receiver is away."""
        self.clock.step(0.01)
        if self.clock.monotonic() < AWAY_SECONDS:
            return Answer(outcome=Outcome.FAILED, reason="status 503")
        for told in sending.message.told:
            episode = (told.episode.alerter.entity, told.episode.summary)
            self.states[episode] = told.notice.transition.status
            self.messages[episode] = self.messages.get(episode, 0) + 1
        self.last_at = self.clock.monotonic()
        return Answer(outcome=Outcome.DELIVERED)


@pytest.mark.parametrize(
    ("kind", "entities", "summaries"), [("slack", 9, 6), ("slack", 40, 1), ("pagerduty", 9, 6)]
)
def test_the_last_state_of_every_episode_arrives_within_a_minute_of_the_return(
    store: Store, kind: str, entities: int, summaries: int
) -> None:
    clock, agents, draw = SteppedClock(), Agents(store), random.Random(entities)
    receiver = Receiver(clock)
    own = ChannelDefinition(name=OWN_CHANNEL, kind=kind, secrets=SECRETS[kind])
    receivers = Receivers(
        own=own, allowed=Allowed(), page_url=lambda: PAGES, senders={kind: receiver.send}
    )
    courier = Courier(OWN_CHANNEL, store, receivers, clock, Counters())
    last: dict[tuple[str, str], str] = {}
    minutes = count()
    changes = [(f"model-{e}", f"input.f{s}") for e in range(entities) for s in range(summaries)] * 2
    draw.shuffle(changes)
    del changes[::3]  # so that some stay open
    while clock.monotonic() < AWAY_SECONDS + RETURN_SECONDS:
        evaluations = []
        for entity, summary in changes[:10]:
            is_open = last.get((entity, summary)) == "ALERTING"
            last[entity, summary] = "OK" if is_open else "ALERTING"
            value, alerter = (0.1 if is_open else 0.5), an_alerter(entity=entity)
            number = next(minutes)
            evaluations.append(an_evaluation(value, number, summary=summary, alerter=alerter))
        del changes[:10]
        agents.now_ns = clock.now_ns()
        agents.judge("pod-1", evaluations)
        wait = courier.deliver_oldest()
        is_long_away = clock.monotonic() < AWAY_SECONDS - 2 * RETURN_SECONDS
        clock.step(120.0 if is_long_away else IDLE_SECONDS if wait is None else wait)
    assert not changes
    assert set(last.values()) == {"ALERTING", "OK"}
    assert receiver.states == last
    assert set(receiver.messages.values()) == {1}
    assert AWAY_SECONDS <= receiver.last_at <= AWAY_SECONDS + RETURN_SECONDS
    assert store.deliveries.counts(OWN_CHANNEL).waiting == 0
