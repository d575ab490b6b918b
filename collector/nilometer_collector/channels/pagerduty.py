"""PagerDuty: one incident for each episode, triggered, acknowledged and resolved.

Source: PagerDuty, "Events API v2": ``dedup_key`` has at most 255 characters, an event at most 512 KB.
"""

from dataclasses import replace

from nilometer.alert.incidents import MOST_PAGERDUTY_SUMMARY
from nilometer.values.plain_text import printable, shortened
from nilometer.values.times import time_iso
from nilometer_collector.channels.message import MOST_ROWS, Stage
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, described, incident_key

_ACTIONS = {Stage.ACKNOWLEDGED: "acknowledge", Stage.CLOSED: "resolve"}


def send_pagerduty(sending: Sending) -> Answer:
    """Send an event about the episode."""
    body = as_json(pagerduty_event(sending))
    request = Request(destination=sending.destination("/v2/enqueue"), body=body)
    return send(request, sending.message.key)


def pagerduty_event(sending: Sending) -> dict[str, object]:
    """Return the event about the episode of the message."""
    message = sending.message
    told = message.told[0]
    action = _ACTIONS.get(message.stage, "trigger")
    event: dict[str, object] = {
        "routing_key": sending.secret("routing_key"),
        "event_action": action,
        "dedup_key": incident_key(told),
    }
    if action != "trigger":
        return event
    first_rows = replace(told, rows=told.rows[:MOST_ROWS])
    details = {**described(first_rows), "note": message.note, "cause": message.cause}
    return event | {
        "payload": {
            "summary": shortened(
                printable(f"{message.headline}. {told.evidence}"), MOST_PAGERDUTY_SUMMARY
            ),
            "source": told.episode.alerter.entity,
            "severity": message.severity.value,
            "timestamp": time_iso(message.since_ns),
            "component": told.episode.summary,
            "group": told.episode.alerter.entity,
            "class": told.notice.transition.alerter.condition.measure,
            "custom_details": details | {"health": message.health, "remedy": message.remedy},
        },
        "links": [{"href": message.link, "text": "Open the page"}],
        "client": "nilometer",
        "client_url": message.link,
    }
