"""The generic webhook: JSON or a template's result, signed with HMAC-SHA256.

The header ``nilometer-signature`` is ``v1=`` and the HMAC-SHA256, in hexadecimal, of the header
``nilometer-timestamp``, a full stop and the body. A receiver checks it, refuses old timestamps, and
ignores an ``idempotency-key`` that it has seen.

A message of several episodes that the template cannot tell is refused, and is then sent in parts. One
episode that the template cannot tell is sent as JSON without the template.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping

from nilometer.values.clock import NANOSECONDS
from nilometer.values.times import time_iso
from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.alerting.receivers import JSON
from nilometer_collector.alerting.template import Template, TemplateError
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending, described, refused

log = logging.getLogger("nilometer.collector")


def send_webhook(sending: Sending) -> Answer:
    """Post the message to the URL of the channel."""
    media_type, body = JSON, as_json(webhook_content(sending.message))
    if source := sending.setting("template"):
        try:
            media_type, body = sending.setting("content_type"), _templated(sending, source)
        except TemplateError as error:
            if len(sending.message.told) > 1:
                return refused(f"template: {error}")
            log.warning(
                "template failed, will send the body without it: see the reason",
                extra={"channel": sending.channel.name, "reason": str(error)},
            )
    headers = {"content-type": media_type}
    if key := sending.secret("signing_key"):
        at = str(sending.now_ns // NANOSECONDS)
        headers["nilometer-timestamp"] = at
        headers["nilometer-signature"] = f"v1={signature(key, at, body)}"
    request = Request(destination=sending.secret_destination(), body=body, headers=headers)
    return send(request, sending.message.key)


def _templated(sending: Sending, source: str) -> bytes:
    """Return the body that the template makes.

    Raises:
        TemplateError: If it exceeds a bound, or must be JSON and is not.
    """
    text = Template(source).render(webhook_content(sending.message))
    body = text.encode("utf-8", "replace")
    if sending.setting("content_type") == JSON:
        try:
            json.loads(body)
        except ValueError as error:
            reason = "the result is not JSON: write values as {{ name | json }}"
            raise TemplateError(reason) from error
    return body


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return the signature of *body* at *timestamp*, in hexadecimal."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _action_content(action: tuple[Run, RunTurn] | None) -> Mapping[str, object] | None:
    """Return the run of an action that a message tells about; None for any other message."""
    if action is None:
        return None
    run, turn = action
    return {
        "run": run.id,
        "name": run.action.name,
        "cure": run.action.cure,
        "state": turn.state.value,
        "author": turn.author,
        "reason": turn.reason,
        "expires": time_iso(run.expires_ns) if run.expires_ns else None,
    }


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
        "since": time_iso(message.since_ns),
        "note": message.note,
        "cause": message.cause,
        "health": message.health,
        "remedy": message.remedy,
        "link": message.link,
        "decisions": [{"text": one.text, "url": one.url} for one in message.choices],
        "action": _action_content(message.told[0].notice.action),
        "text": "\n".join(message.lines()),
        "episodes": [described(told) for told in message.told],
    }
