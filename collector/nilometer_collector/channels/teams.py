"""Microsoft Teams: an adaptive card for a workflow that begins with a webhook request.

Source: Microsoft, "Create incoming webhooks with Workflows for Microsoft Teams": a message has at most
28 KB. Text blocks read a part of Markdown, so its characters are escaped.
"""

import re

from nilometer_collector.channels.message import MOST_ROWS, Message
from nilometer_collector.channels.plain import printable, shortened
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending

MAX_TEXT_CHARACTERS = 1500

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")


def send_teams(sending: Sending) -> Answer:
    """Post the message as an adaptive card."""
    body = as_json(teams_content(sending.message))
    request = Request(destination=sending.secret_destination(), body=body)
    return send(request, sending.message.key)


def teams_content(message: Message) -> dict[str, object]:
    """Return *message* as an adaptive card."""
    if message.is_digest:
        facts = [
            (told.episode.alerter.entity, f"{told.stage.value}: {told.episode.summary}")
            for told in message.told
        ]
    else:
        facts = [
            (f"{row.where}: {row.summary}", f"{row.moved}, since {row.since} {row.trend}")
            for row in message.rows
        ]
    more = len(facts) - MOST_ROWS
    texts = [told.evidence for told in message.told[:3]]
    texts += [message.note, message.cause, message.health, message.remedy]
    texts += [f"{more} more are on the page."] * (more > 0)
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            _block(message.headline) | {"weight": "Bolder", "size": "Medium"},
            {
                "type": "FactSet",
                "facts": [
                    {"title": _text(title), "value": _text(value)}
                    for title, value in facts[:MOST_ROWS]
                ],
            },
            *(_block(text) for text in texts if text),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": message.link_text, "url": message.link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(text: str) -> dict[str, object]:
    return {"type": "TextBlock", "text": _text(text), "wrap": True}


def _text(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", shortened(printable(text), MAX_TEXT_CHARACTERS))
