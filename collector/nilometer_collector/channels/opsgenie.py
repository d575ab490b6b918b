"""Opsgenie: one alert for each episode, created, acknowledged and closed.

Source: Opsgenie, "Alert API": ``details`` has at most 8,000 characters with the names.
"""

from urllib.parse import quote

from nilometer.alert.incidents import (
    MOST_OPSGENIE_DESCRIPTION,
    MOST_OPSGENIE_MESSAGE,
    OPSGENIE_PRIORITIES,
)
from nilometer.values.plain_text import printable, shortened
from nilometer_collector.channels.message import Message, Stage, Told
from nilometer_collector.channels.posting import JSON_HEADERS, Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, incident_key

MAX_DETAILS_CHARACTERS = 8_000

_ACTIONS = {Stage.ACKNOWLEDGED: "acknowledge", Stage.CLOSED: "close"}


def send_opsgenie(sending: Sending) -> Answer:
    """Create, acknowledge or close the alert of the episode."""
    path, content = opsgenie_request(sending.message)
    headers = {**JSON_HEADERS, "authorization": f"GenieKey {sending.secret('api_key')}"}
    request = Request(destination=sending.destination(path), body=as_json(content), headers=headers)
    return send(request, sending.message.key)


def opsgenie_request(message: Message) -> tuple[str, dict[str, object]]:
    """Return the path and the body of the request about the episode of *message*."""
    told = message.told[0]
    alias, text = incident_key(told), "\n".join(message.lines())
    if action := _ACTIONS.get(message.stage):
        path = f"/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
        return path, {"source": "nilometer", "note": shortened(text, MOST_OPSGENIE_DESCRIPTION)}
    return "/v2/alerts", {
        "message": shortened(printable(message.headline), MOST_OPSGENIE_MESSAGE),
        "alias": alias,
        "description": shortened(text, MOST_OPSGENIE_DESCRIPTION),
        "entity": told.episode.alerter.entity,
        "source": "nilometer",
        "priority": OPSGENIE_PRIORITIES[message.severity],
        "tags": ["nilometer", message.severity.value],
        "details": _details(told, message.link),
    }


def _details(told: Told, link: str) -> dict[str, str]:
    """Return the summary, the link, and as many labels as fit; no label replaces the first two."""
    details = {"summary": told.episode.summary, "link": link}
    left = MAX_DETAILS_CHARACTERS - sum(len(name) + len(text) for name, text in details.items())
    for name, value in told.episode.labels:
        left -= len(name) + len(value)
        if left >= 0:
            details.setdefault(name, printable(value))
    return details
