"""Alertmanager: one alert for each episode. Several episodes go in one request.

Alertmanager forgets its alerts when it ends, and expects its clients to repeat them. So the alerts of
open episodes are posted every minute, each with an end `LASTING_NS` later. If the collector ends, its
alerts are resolved then. A closing sends the same labels with the real end. An escalation is an alert
with another severity; that of the lesser severity ends.

Source: Alertmanager, API v2, ``POST /api/v2/alerts``.
"""

from collections.abc import Sequence

from nilometer.alert import AlertStatus, Severity
from nilometer.values.clock import NANOSECONDS
from nilometer.values.times import time_iso
from nilometer_collector.channels.message import Message, Stage, Told
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending

LASTING_NS = 300 * NANOSECONDS  # five repetitions


def send_alertmanager(sending: Sending) -> Answer:
    """Post the alerts of the message."""
    content = alertmanager_alerts(sending.message, sending.now_ns)
    destination = sending.destination("/api/v2/alerts", plain=True)
    return send(Request(destination=destination, body=as_json(content)), sending.message.key)


def alertmanager_alerts(message: Message, now_ns: int) -> list[dict[str, object]]:
    """Return the alerts of *message* at *now_ns*."""
    return [
        _alert(told, message, severity, now_ns)
        for told in message.told
        for severity in _severities(told)
    ]


def _severities(told: Told) -> Sequence[Severity]:
    """Return the severities that the episode has had so far, the one of *told* last."""
    opened = [turn for turn in told.episode.history if turn.status == AlertStatus.ALERTING.value]
    before = {turn.alerter.severity for turn in opened} - {told.severity}
    return [*sorted(before, key=lambda severity: severity.value), told.severity]


def _alert(told: Told, message: Message, severity: Severity, now_ns: int) -> dict[str, object]:
    episode = told.episode
    own = {f"label_{key}": value for key, value in episode.labels}
    is_over = told.stage is Stage.CLOSED or severity is not told.severity
    ends_ns = now_ns if is_over else now_ns + LASTING_NS
    annotations = {
        "summary": told.evidence,
        "moved": "; ".join(f"{row.where}: {row.summary}: {row.moved}" for row in told.rows),
        "note": message.note,
        "cause": message.cause,
        "health": message.health,
    }
    # The labels identify the alert, so they only have what an episode keeps until it closes, except
    # for the severity.
    return {
        "labels": own
        | {
            "alertname": "NilometerEpisode",
            "alerter": episode.alerter.name,
            "entity": episode.alerter.entity,
            "episode": str(episode.id),
            "severity": severity.value,
        },
        "annotations": {key: value for key, value in annotations.items() if value},
        "startsAt": time_iso(episode.since_ns),
        "endsAt": time_iso(ends_ns),
        "generatorURL": told.link,
    }
