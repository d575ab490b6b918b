"""The requests that open an incident at a receiver, in the forms that the collector uses, too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from nilometer.alert import Evaluation
from nilometer.alert.incidents import (
    MOST_OPSGENIE_DESCRIPTION,
    MOST_OPSGENIE_MESSAGE,
    MOST_PAGERDUTY_SUMMARY,
    OPSGENIE_PRIORITIES,
    incident_key,
)
from nilometer.values.plain_text import printable, shortened
from nilometer.values.times import time_iso
from nilometer_agent.direct_channel import DirectChannel

NOTE = "Told by an agent that cannot reach its collector. It saw the traffic of one pod only."

OPENED_AGAIN = (
    "Resolved by an agent when the collector had just opened an episode: see the collector."
)

NOT_CONFIRMED = "The collector answers again, and finds no drift over the traffic of all pods."


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRequest:
    """A request to a receiver. Its text is not shown, because it contains a secret."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def key_of(evaluation: Evaluation) -> str:
    """Return the key of the incident, which the collector uses for the same episode."""
    alerter = evaluation.alerter
    return incident_key(alerter.entity, alerter.name, evaluation.summary, evaluation.labels)


def opening(
    channel: DirectChannel, key: str, evaluation: Evaluation, agent: str, note: str = NOTE
) -> DirectRequest:
    """Return the request that opens the incident *key*, or joins an open one.

    Args:
        channel: Receiver.
        key: Key of the incident.
        evaluation: Breach that opened the episode.
        agent: Name of the agent.
        note: Why the agent tells it.
    """
    alerter, severity = evaluation.alerter, evaluation.severity
    where = f" [{evaluation.labels}]" if len(evaluation.labels) else ""
    headline = printable(
        f"{severity.value.upper()}: {alerter.entity} / {evaluation.summary}{where}"
    )
    evidence = printable(evaluation.evidence)
    headers = {"content-type": "application/json"}
    if channel.kind == "opsgenie":
        headers["authorization"] = f"GenieKey {channel.key}"
        text = f"{headline}\n{evidence}.\n{note}\nAgent: {agent}"
        content: Mapping[str, object] = {
            "message": shortened(headline, MOST_OPSGENIE_MESSAGE),
            "alias": key,
            "description": shortened(text, MOST_OPSGENIE_DESCRIPTION),
            "entity": alerter.entity,
            "source": "nilometer",
            "priority": OPSGENIE_PRIORITIES[severity],
            "tags": ["nilometer", severity.value],
        }
        return DirectRequest(url=f"{channel.base}/v2/alerts", body=_json(content), headers=headers)
    content = {
        "routing_key": channel.key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "nilometer",
        "payload": {
            "summary": shortened(f"{headline}. {evidence}", MOST_PAGERDUTY_SUMMARY),
            "source": alerter.entity,
            "severity": severity.value,
            "timestamp": time_iso(evaluation.window.start_ns),
            "component": evaluation.summary,
            "group": alerter.entity,
            "class": alerter.condition.measure,
            "custom_details": {"note": note, "agent": agent, "alerter": alerter.name},
        },
    }
    return DirectRequest(url=f"{channel.base}/v2/enqueue", body=_json(content), headers=headers)


def resolving(channel: DirectChannel, key: str) -> DirectRequest:
    """Return the request that resolves the incident *key*, which no episode has joined."""
    headers = {"content-type": "application/json"}
    if channel.kind == "opsgenie":
        headers["authorization"] = f"GenieKey {channel.key}"
        path = f"/v2/alerts/{quote(key, safe='')}/close?identifierType=alias"
        closing = _json({"source": "nilometer", "note": NOT_CONFIRMED})
        return DirectRequest(url=channel.base + path, body=closing, headers=headers)
    content = {"routing_key": channel.key, "event_action": "resolve", "dedup_key": key}
    return DirectRequest(url=f"{channel.base}/v2/enqueue", body=_json(content), headers=headers)


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
