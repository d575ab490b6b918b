"""The signed links of a message, with which its readers decide about its episodes.

A message about open episodes of one entity has them. Each opens a form; opening it decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import Overdue
from nilometer_collector.access.links import DecisionLink
from nilometer_collector.alerting.decisions import DecisionKind
from nilometer_collector.store import Level, Notice

LASTING_DAYS = 7
MOST_DECIDED = 3  # episodes of a message that have links; receivers allow a few buttons only
MAX_LINK_CHARACTERS = 2000  # Slack takes 3,000 of a button


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A decision that a message offers.

    Attributes:
        text: What the link does.
        url: Signed URL of its form.
    """

    text: str
    url: str


TEXTS = {
    DecisionKind.ACKNOWLEDGED: "Acknowledge",
    DecisionKind.SILENCED: "Silence",
    DecisionKind.NEW_NORMAL: "Accept as normal",
}


def choices_of(
    notice: Notice, channel: str, key: bytes, page_url: str, now_ns: int
) -> Sequence[Choice]:
    """Return what the readers of a message can decide by link about the episode of *notice*.

    A link expires `LASTING_DAYS` after the next midnight (UTC), so that a message that is sent again
    on the same day has the same links.

    Args:
        notice: Notification about one episode.
        channel: Name of the channel that gets the message.
        key: Key of the installation.
        page_url: URL of the pages, without a final slash.
        now_ns: Wall time, Unix nanoseconds.
    """
    episode = notice.episode
    is_opening = notice.transition.status == AlertStatus.ALERTING.value
    if not is_opening or notice.is_acknowledgement or episode.closed_ns is not None:
        return ()
    kinds = set(TEXTS)
    if isinstance(episode.alerter.condition, Overdue):  # the monitoring itself has no new normal
        kinds.discard(DecisionKind.NEW_NORMAL)
    day_ns = Level.DAY.length_ns
    links = {
        kind: DecisionLink(
            kind=kind.value,
            entity=episode.alerter.entity,
            episode=episode.id,
            opened_ns=episode.opened_ns,
            channel=channel,
            message=notice.key,
            until_ns=(now_ns // day_ns + 1 + LASTING_DAYS) * day_ns,
        )
        .signed(key)
        .url(page_url)
        for kind in TEXTS
        if kind in kinds
    }
    return [
        Choice(text=TEXTS[kind], url=url)
        for kind, url in links.items()
        if len(url) <= MAX_LINK_CHARACTERS
    ]
