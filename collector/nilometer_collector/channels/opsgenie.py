"""Opsgenie: one alert for each episode, created, acknowledged and closed.

Source: Opsgenie, "Alert API": ``message`` has at most 130 characters, ``description`` 15,000.
"""

from urllib.parse import quote

from nilometer.alert import Severity
from nilometer_collector.channels.message import Stage
from nilometer_collector.channels.plain import printable, shortened
from nilometer_collector.channels.posting import JSON_HEADERS, Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, incident_key

MAX_MESSAGE_CHARACTERS = 130
MAX_DESCRIPTION_CHARACTERS = 15_000

_PRIORITIES = {Severity.INFO: "P5", Severity.WARNING: "P3", Severity.CRITICAL: "P1"}
_ACTIONS = {Stage.ACKNOWLEDGED: "acknowledge", Stage.CLOSED: "close"}


def send_opsgenie(sending: Sending) -> Answer:
    """Create, acknowledge or close the alert of the episode."""
    message = sending.message
    told = message.told[0]
    alias, text = incident_key(told), "\n".join(message.lines())
    if action := _ACTIONS.get(message.stage):
        path = f"/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
        content: dict[str, object] = {
            "source": "nilometer",
            "note": shortened(text, MAX_DESCRIPTION_CHARACTERS),
        }
    else:
        path = "/v2/alerts"
        content = {
            "message": shortened(printable(message.headline), MAX_MESSAGE_CHARACTERS),
            "alias": alias,
            "description": shortened(text, MAX_DESCRIPTION_CHARACTERS),
            "entity": told.episode.alerter.entity,
            "source": "nilometer",
            "priority": _PRIORITIES[message.severity],
            "tags": ["nilometer", message.severity.value],
            "details": {"summary": told.episode.summary, "link": message.link}
            | told.episode.labels.as_dict(),
        }
    headers = {**JSON_HEADERS, "authorization": f"GenieKey {sending.secret('api_key')}"}
    request = Request(destination=sending.destination(path), body=as_json(content), headers=headers)
    return send(request, message.key)
