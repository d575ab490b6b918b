"""What a kind of receiver gets to send a message, and the forms that several kinds share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nilometer.alert.conditions import Calibrated, Overdue
from nilometer.alert.incidents import incident_key as key_of_incident
from nilometer.alert.incidents import numbered_incident_key
from nilometer.values.times import time_iso
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting.receivers import KINDS, ChannelDefinition
from nilometer_collector.channels.message import Message, Told
from nilometer_collector.channels.posting import Answer, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One attempt to send a message.

    Attributes:
        channel: Channel with its secrets.
        message: The message.
        allowed: Addresses that the receiver may have, besides public ones.
        now_ns: Wall time, Unix nanoseconds.
        is_guarded: Whether addresses are checked; only a channel of the settings can go without.
    """

    channel: ChannelDefinition
    message: Message
    allowed: Allowed
    now_ns: int
    is_guarded: bool = True

    def setting(self, name: str) -> str:
        """Return a setting, or its default."""
        return self.channel.settings.get(name, KINDS[self.channel.kind].fields[name].default)

    def secret(self, name: str) -> str:
        """Return a secret; empty if it is not set."""
        return self.channel.secrets.get(name, "")

    def secret_destination(self) -> Destination:
        """Return the destination whose whole URL is a secret."""
        return Destination(Secret(self.secret("url")), self.allowed)

    def destination(self, path: str, *, plain: bool = False) -> Destination:
        """Return the destination *path* below the URL of the settings."""
        url = self.setting("url").rstrip("/") + path
        return Destination(Secret(url), self.allowed, plain=plain)


Send: TypeAlias = Callable[[Sending], Answer]


def refused(reason: str) -> Answer:
    """Return that the message can never be sent."""
    return Answer(outcome=Outcome.REFUSED, reason=reason)


def incident_key(told: Told) -> str:
    """Return the key under which a receiver keeps an episode, at most 160 characters.

    An agent that is cut off uses the same key for the alerters that it judges.
    """
    episode = told.episode
    entity, alerter = episode.alerter.entity, episode.alerter
    if isinstance(alerter.condition, Calibrated) and episode.number is not None:
        return numbered_incident_key(entity, episode.number)
    if isinstance(alerter.condition, Calibrated | Overdue):  # several may be open at a time
        return f"nilometer/{entity}/{episode.id}"
    return key_of_incident(entity, alerter.name, episode.summary, episode.labels)


def described(told: Told) -> Mapping[str, object]:
    """Return an episode of a message as JSON values, under the names that the API uses."""
    episode, transition = told.episode, told.notice.transition
    return {
        "id": episode.id,
        "entity": episode.alerter.entity,
        "alerter": episode.alerter.name,
        "summary": episode.summary,
        "labels": episode.labels.as_dict(),
        "stage": told.stage.value,
        "status": transition.status,
        "severity": told.severity.value,
        "value": transition.value,
        "threshold": transition.alerter.condition.limit(transition.value),
        "since": time_iso(told.since_ns),
        "opened": time_iso(episode.opened_ns),
        "closed": None if episode.closed_ns is None else time_iso(episode.closed_ns),
        "evidence": told.evidence,
        "link": told.link,
        "rows": [
            {
                "where": row.where,
                "summary": row.summary,
                "moved": row.moved,
                "since": time_iso(row.since_ns),
                "trend": row.trend,
            }
            for row in told.rows
        ],
    }
