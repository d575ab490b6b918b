"""Slack messages for openings and closings: one line of text, and the same content as blocks.

Source: Slack, "Sending messages using incoming webhooks" and "Formatting text for app surfaces":
``&``, ``<`` and ``>`` are escaped, so that no name can become a link or mention a channel.
"""

from datetime import UTC, datetime
from functools import singledispatch
from typing import Any
from urllib.parse import quote, urlencode

from nilometer.alert import Alerter, AlertStatus, Condition, Fixed, Range
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.store import EpisodeRecord, Notice, TransitionRecord

CHANNEL = "slack"
OWN_SUMMARIES = "nilometer."  # start of the summaries of episodes about the monitoring itself
MAX_HEADER_CHARACTERS = 150  # Slack's own limit
MAX_SECTION_CHARACTERS = 2900  # Slack's limit is 3000

_MARKS = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


def message(notice: Notice, page_url: str) -> dict[str, Any]:
    """Return the Slack message for *notice*.

    Args:
        notice: Notification to describe.
        page_url: URL of the pages, without a final slash.
    """
    episode, transition = notice.episode, notice.transition
    alerter = transition.alerter
    opening = transition.status == AlertStatus.ALERTING.value
    condition = alerter.condition
    measured = _figure(episode, transition)
    held = _held_against(condition)
    where = f" [{episode.labels}]" if len(episode.labels) else ""
    word = alerter.severity.value.upper() if opening else "CLEARED"
    headline = f"{word}: {alerter.entity} / {episode.summary}{where}"
    page = page_of(page_url, alerter.entity, episode.summary, episode.labels, transition.at_ns)
    since = f"since {_time(episode.since_ns)}"
    told = transition.evidence
    if notice.after_silence:
        told = f"The silence has ended, and the episode is still open: {told}"
    text = f"{headline}: {measured} ({held}), {since}. {told}. {page}"
    return {
        "text": _escaped(text)[:MAX_SECTION_CHARACTERS],
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": headline[:MAX_HEADER_CHARACTERS]},
            },
            {"type": "section", "fields": _fields(episode, transition, measured, held)},
            {
                "type": "section",
                "text": _markdown(_told(alerter, transition, told, opening=opening)),
            },
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "text": {"type": "plain_text", "text": "Open the page"},
                        "url": page,
                    }
                ],
            },
        ],
    }


def page_of(page_url: str, entity: str, summary: str, labels: Labels, at_ns: int) -> str:
    """Return the URL of the page that shows *summary* with its labels, at a time.

    An episode about the monitoring itself has the page of its entity.

    Args:
        page_url: URL of the pages, without a final slash.
        entity: Name of the entity.
        summary: Name of the summary.
        labels: Labels of the episode.
        at_ns: End of the window to show, Unix nanoseconds.
    """
    if summary.startswith(OWN_SUMMARIES):
        return f"{page_url}/#/entity/{quote(entity, safe='')}"
    options = [*(("label", f"{key}:{value}") for key, value in labels)]
    options.append(("time", f"{at_ns / NANOSECONDS:.0f}"))
    path = f"{page_url}/#/entity/{quote(entity, safe='')}/summary/{quote(summary, safe='')}"
    return f"{path}?{urlencode(options)}"


def _figure(episode: EpisodeRecord, transition: TransitionRecord) -> str:
    """Return the value of *transition* with the end of its window; the worst one is named so.

    A closing without a judged window, such as that of a deleted alerter, has no other value.
    """
    condition = transition.alerter.condition
    value = f"{condition.measure} = {_number(condition, transition.value)}"
    if transition.status in {AlertStatus.ALERTING.value, AlertStatus.OK.value}:
        return f"{value} at {_time(transition.at_ns)}"
    worst = "" if episode.worst_ns is None else f" at {_time(episode.worst_ns)}"
    return f"worst {value}{worst}"


def _worst(episode: EpisodeRecord, transition: TransitionRecord) -> list[dict[str, str]]:
    """Return the worst value as a field, if the message shows another one."""
    if transition.status != AlertStatus.OK.value or episode.worst_ns is None or episode.parts:
        return []
    worst = f"{_number(transition.alerter.condition, episode.worst)} at {_time(episode.worst_ns)}"
    return [_markdown(f"*Worst*\n{_escaped(worst)}")]


def _fields(
    episode: EpisodeRecord, transition: TransitionRecord, measured: str, held: str
) -> list[dict[str, str]]:
    since = f"*Since*\n{_time(episode.since_ns)}"
    if transition.status == AlertStatus.ALERTING.value:
        time = since
    else:
        time = f"{since}\nuntil {_time(transition.at_ns)}"
    fields = [
        _markdown(f"*Entity*\n{_escaped(episode.alerter.entity)}"),
        _markdown(f"*Summary*\n{_escaped(episode.summary)}"),
        _markdown(f"*Value*\n{_escaped(measured)} ({_escaped(held)})"),
        *_worst(episode, transition),
        _markdown(time),
    ]
    if len(episode.labels):
        fields.append(_markdown(f"*Labels*\n{_escaped(str(episode.labels))}"))
    return fields


def _told(alerter: Alerter, transition: TransitionRecord, told: str, *, opening: bool) -> str:
    mark = _MARKS[alerter.severity.value] if opening else ":white_check_mark:"
    alerter_name = f"_Alerter {_escaped(alerter.name)}_"
    reference = (
        f", reference {_escaped(alerter.condition.reference)} "
        f"{_escaped(transition.reference_digest)}"
        if alerter.condition.reference
        else ""
    )
    return f"{mark} {_escaped(told)}\n{alerter_name}{reference}"


@singledispatch
def _held_against(condition: Condition) -> str:
    """Return the limit of *condition*, in words."""
    return condition.limit_text


@_held_against.register
def _(condition: Fixed) -> str:
    return f"alerts when {condition.side.value} {condition.threshold:g}"


@_held_against.register
def _(condition: Range) -> str:
    return f"fine in {condition.low:g} to {condition.high:g}"


def _number(condition: Condition, value: float) -> str:
    return f"{value:.4g} {condition.unit}".rstrip()


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _markdown(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text[:MAX_SECTION_CHARACTERS]}


def _escaped(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
