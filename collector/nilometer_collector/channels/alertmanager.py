"""Alertmanager: one alert for each episode. Several episodes go in one request.

An alert without an end is resolved by Alertmanager after five minutes, so an open episode gets an end
in the far future. A closing sends the same labels with the real end.

Source: Alertmanager, API v2, ``POST /api/v2/alerts``.
"""

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.channels.message import Message, Stage, Told
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, iso

LASTING_NS = 366 * 86_400 * NANOSECONDS


def send_alertmanager(sending: Sending) -> Answer:
    """Post the alerts of the message."""
    content = alertmanager_alerts(sending.message, sending.now_ns)
    destination = sending.destination("/api/v2/alerts", plain=True)
    return send(Request(destination=destination, body=as_json(content)), sending.message.key)


def alertmanager_alerts(message: Message, now_ns: int) -> list[dict[str, object]]:
    """Return the alerts of *message* at *now_ns*."""
    return [_alert(told, message, now_ns) for told in message.told]


def _alert(told: Told, message: Message, now_ns: int) -> dict[str, object]:
    episode = told.episode
    own = {f"label_{key}": value for key, value in episode.labels}
    ends_ns = now_ns if told.stage is Stage.CLOSED else now_ns + LASTING_NS
    annotations = {
        "summary": told.evidence,
        "moved": "; ".join(f"{row.where}: {row.summary}: {row.moved}" for row in told.rows),
        "note": message.note,
        "cause": message.cause,
        "health": message.health,
    }
    # The labels identify the alert, so they only have what an episode keeps until it closes.
    return {
        "labels": own
        | {
            "alertname": "NilometerEpisode",
            "alerter": episode.alerter.name,
            "entity": episode.alerter.entity,
            "episode": str(episode.id),
            "severity": episode.alerter.severity.value,
        },
        "annotations": {key: value for key, value in annotations.items() if value},
        "startsAt": iso(episode.since_ns),
        "endsAt": iso(ends_ns),
        "generatorURL": told.link,
    }
