"""The messages of `nilometer channels test`: an episode that opens and closes again at once."""

import uuid
from dataclasses import replace

from nilometer.alert import Alerter, AlertStatus, Fixed, Severity
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels.message import Message, message_of
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.receivers import Receivers
from nilometer_collector.channels.sending import Sending
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.store import EpisodeRecord, Notice, Store, TransitionRecord

ENTITY = "nilometer-test"
EVIDENCE = "this is a test message; no model has drifted"


def send_sample(
    channel: ChannelDefinition, receivers: Receivers, store: Store, now_ns: int
) -> Answer:
    """Send an opening and a closing to *channel*; return the first failure, or the last answer."""
    answer = Answer(outcome=Outcome.DELIVERED)
    for message in sample_messages(Surroundings(store, receivers.page_url()), now_ns):
        sending = Sending(
            channel=channel,
            message=message,
            allowed=receivers.allowed,
            now_ns=now_ns,
            is_guarded=receivers.guards(store, channel),
        )
        answer = receivers.senders[channel.kind](sending)
        if answer.outcome is not Outcome.DELIVERED:
            break
    return answer


def sample_messages(surroundings: Surroundings, now_ns: int) -> list[Message]:
    """Return an opening and a closing at *now_ns*."""
    alerter = Alerter(
        entity=ENTITY,
        name="test",
        summary="input.test",
        condition=Fixed(statistic="mean", threshold=1.0),
        severity=Severity.INFO,
    )
    opened = TransitionRecord(
        status=AlertStatus.ALERTING.value,
        at_ns=now_ns,
        window_start_ns=now_ns - 60 * NANOSECONDS,
        recorded_ns=now_ns,
        value=1.5,
        evidence=EVIDENCE,
        reference_digest="",
        alerter=alerter,
    )
    closed = replace(opened, status=AlertStatus.OK.value, value=0.5)
    episode = EpisodeRecord(
        id=now_ns // NANOSECONDS,
        summary=alerter.summary,
        labels=Labels(),
        alerter=alerter,
        since_ns=opened.window_start_ns,
        opened_ns=now_ns,
        closed_ns=None,
        worst=1.5,
        reference_digest="",
        evidence=EVIDENCE,
        history=(opened,),
    )
    ended = replace(episode, closed_ns=now_ns, history=(opened, closed))
    return [
        message_of(_notice(one, transition), surroundings)
        for one, transition in ((episode, opened), (ended, closed))
    ]


def _notice(episode: EpisodeRecord, transition: TransitionRecord) -> Notice:
    return Notice(id=0, key=uuid.uuid4().hex, attempts=0, episode=episode, transition=transition)
