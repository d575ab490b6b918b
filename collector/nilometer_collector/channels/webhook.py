"""The generic webhook: JSON or a template's result, signed with HMAC-SHA256.

The header ``nilometer-signature`` is ``v1=`` and the HMAC-SHA256, in hexadecimal, of the header
``nilometer-timestamp``, a full stop and the body. A receiver checks it, refuses old timestamps, and
ignores an ``idempotency-key`` that it has seen.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.template import Template, TemplateError
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, described, iso, refused


def send_webhook(sending: Sending) -> Answer:
    """Post the message to the URL of the channel."""
    values = webhook_content(sending.message)
    media_type = sending.setting("content_type")
    body = as_json(values)
    if source := sending.setting("template"):
        try:
            body = Template(source).render(values).encode("utf-8", "replace")
            if media_type == "application/json":
                json.loads(body)
        except TemplateError as error:
            return refused(f"template: {error}")
        except ValueError:
            return refused("template: the result is not JSON: write values as {{ name | json }}")
    headers = {"content-type": media_type}
    if key := sending.secret("signing_key"):
        at = str(sending.now_ns // NANOSECONDS)
        headers["nilometer-timestamp"] = at
        headers["nilometer-signature"] = f"v1={signature(key, at, body)}"
    request = Request(destination=sending.secret_destination(), body=body, headers=headers)
    return send(request, sending.message.key)


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return the signature of *body* at *timestamp*, in hexadecimal."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def webhook_content(message: Message) -> Mapping[str, object]:
    """Return *message* as JSON values; these are also the values of a template."""
    return {
        "version": 1,
        "key": message.key,
        "stage": message.stage.value,
        "severity": message.severity.value,
        "headline": message.headline,
        "entity": message.told[0].episode.alerter.entity,
        "is_digest": message.is_digest,
        "since": iso(message.since_ns),
        "note": message.note,
        "cause": message.cause,
        "health": message.health,
        "remedy": message.remedy,
        "link": message.link,
        "text": "\n".join(message.lines()),
        "episodes": [described(told) for told in message.told],
    }
