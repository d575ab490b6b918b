"""Notifications for tests of messages and channels, without a store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nilometer.alert import Alerter, AlertStatus, Severity
from nilometer.alert.calibrated.effects import Unit
from nilometer.alert.conditions import Calibrated
from nilometer.values.labels import Labels
from nilometer_collector.channels.choices import Choice, choices_of
from nilometer_collector.channels.message import Message, message_of
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.store import EpisodeRecord, Notice, PartRecord, TransitionRecord
from nilometer_collector.testing import MINUTE_NS, PAGES, START_NS, an_alerter

HEALTH = "Service in the 15 minutes before: 900 requests, 0.2 % failed."
CAUSE = "Likely cause: features, from which it reads, drifts since before."


class Beside(Surroundings):
    """Surroundings that are known without a store."""

    def __init__(self) -> None:
        self.page_url = PAGES

    def health(self, entity: str, end_ns: int) -> str:
        """Return a sentence."""
        return HEALTH

    def trend(self, entity: str, summary: str, labels: Labels, component: str, end_ns: int) -> str:
        """Return nothing."""
        return ""

    def cause(self, episodes: Sequence[EpisodeRecord]) -> str:
        """Return a sentence."""
        return CAUSE

    def choices(self, notice: Notice) -> Sequence[Choice]:
        """Return the signed links of a channel."""
        return choices_of(notice, "team", b"k" * 32, PAGES, START_NS)


def a_part(summary: str, onset: int = 0, **changes: Any) -> PartRecord:
    """A part that drifted from minute *onset* on."""
    part = PartRecord(
        summary=summary,
        labels=Labels(),
        component="position",
        direction=1,
        onset_ns=START_NS + onset * MINUTE_NS,
        opened_ns=START_NS + 60 * MINUTE_NS,
        closed_ns=None,
        effect=0.82,
        bound=0.51,
        tolerance=0.25,
        unit=Unit.DEVIATIONS.value,
        severity="warning",
        evidence=f"the position of {summary} is 0.82 sd above normal",
    )
    return replace(part, **changes)


def a_notice(
    number: int = 1,
    *,
    closed: bool = False,
    parts: Sequence[PartRecord] = (),
    alerter: Alerter | None = None,
    labels: Labels = Labels(),  # noqa: B008  immutable
    evidence: str = "PSI from training is 0.5 (threshold 0.2)",
    **changes: Any,
) -> Notice:
    """A notification about episode *number*: of the default alerter if it has *parts*."""
    alerter = alerter or an_alerter()
    if parts:
        condition = Calibrated(component="position", tolerance=0.25, budget_days=30.0)
        alerter = replace(alerter, name="calibrated", summary="*", condition=condition)
    opened_ns = START_NS + 60 * MINUTE_NS
    opened = TransitionRecord(
        status=AlertStatus.ALERTING.value,
        at_ns=opened_ns,
        window_start_ns=opened_ns - MINUTE_NS,
        recorded_ns=opened_ns,
        value=0.5,
        evidence=evidence,
        reference_digest="0123456789abcdef",
        alerter=alerter,
    )
    ended = replace(
        opened, status=AlertStatus.OK.value, value=0.1, evidence="back within its limit"
    )
    episode = EpisodeRecord(
        id=number,
        summary=parts[0].summary if parts else "input.amount",
        labels=labels,
        alerter=alerter,
        since_ns=START_NS,
        opened_ns=opened_ns,
        closed_ns=opened_ns + MINUTE_NS if closed else None,
        worst=0.5,
        reference_digest="0123456789abcdef",
        evidence=evidence,
        history=(opened, ended) if closed else (opened,),
        parts=tuple(parts),
        number=number if parts else None,
    )
    transition = ended if closed else opened
    notice = Notice(
        id=number, key=f"key-{number}", attempts=0, episode=episode, transition=transition
    )
    return replace(notice, **changes)


def a_message(notice: Notice | None = None, *others: Notice) -> Message:
    """The message of *notice* and *others*."""
    return message_of((notice or a_notice()).with_others(others), Beside())


def a_storm(entities: int, severity: Severity = Severity.CRITICAL) -> Message:
    """The message about an opening of each of many entities."""
    first, *others = [
        a_notice(number, alerter=an_alerter(entity=f"model-{number}", severity=severity))
        for number in range(entities)
    ]
    return a_message(first, *others)
