"""Microsoft Teams: an adaptive card for a workflow that begins with a webhook request.

Source: Microsoft, "Create incoming webhooks with Workflows for Microsoft Teams": a message has at most
28 KB. A message that would be longer has fewer rows and shorter texts. Text blocks read a part of
Markdown, so its characters are escaped. A set of buttons shows six; so each of several episodes has its
own.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

from nilometer.values.plain_text import printable, shortened
from nilometer_collector.channels.choices import Choice
from nilometer_collector.channels.message import MOST_ROWS, Message
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Sending

MAX_BYTES = 28_000
MAX_TEXT_CHARACTERS = 1500

Element: TypeAlias = dict[str, object]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")


def send_teams(sending: Sending) -> Answer:
    """Post the message as an adaptive card."""
    body = as_json(teams_content(sending.message))
    request = Request(destination=sending.secret_destination(), body=body)
    return send(request, sending.message.key)


def teams_content(message: Message) -> dict[str, object]:
    """Return *message* as an adaptive card of at most `MAX_BYTES`.

    Only links of about that size could make it larger.
    """
    rows, characters = MOST_ROWS, MAX_TEXT_CHARACTERS
    content = _content(message, rows, characters)
    while len(as_json(content)) > MAX_BYTES and characters > 1:
        rows, characters = max(rows // 2, 1), characters // 2
        content = _content(message, rows, characters)
    return content


def _content(message: Message, most_rows: int, most_characters: int) -> dict[str, object]:
    """Return *message* as an adaptive card.

    Args:
        message: The message.
        most_rows: Most rows of the table; further ones are counted.
        most_characters: Most characters of each text, before its Markdown is escaped. Episodes whose
            names are the same after this cut have no buttons.
    """

    def text_of(text: str) -> str:
        return _MARKDOWN.sub(r"\\\1", shortened(printable(text), most_characters))

    def block(text: str) -> Element:
        return {"type": "TextBlock", "text": text_of(text), "wrap": True}

    facts = _facts(message)
    more = len(facts) - most_rows
    texts = [told.evidence for told in message.told[:3]]
    texts += [message.note, message.cause, message.health, message.remedy]
    texts += [f"{more} more are on the page."] * (more > 0)
    decisions = [
        element
        for name, choices in message.decided(most_characters)
        for element in (block(name), {"type": "ActionSet", "actions": _buttons(choices)})
    ]
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            block(message.headline) | {"weight": "Bolder", "size": "Medium"},
            {
                "type": "FactSet",
                "facts": [
                    {"title": text_of(title), "value": text_of(value)}
                    for title, value in facts[:most_rows]
                ],
            },
            *(block(text) for text in texts if text),
            *decisions,
        ],
        "actions": [
            _button(message.link_text, message.link),
            *_buttons(message.sole_choices),
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _buttons(choices: Sequence[Choice]) -> list[Element]:
    return [_button(one.text, one.url) for one in choices]


def _button(title: str, url: str) -> Element:
    return {"type": "Action.OpenUrl", "title": title, "url": url}


def _facts(message: Message) -> list[tuple[str, str]]:
    """Return the rows of the table; of a digest, a row for each entity."""
    if message.is_digest:
        return [
            (told.episode.alerter.entity, f"{told.stage.value}: {told.episode.summary}")
            for told in message.told
        ]
    return [
        (f"{row.where}: {row.summary}", f"{row.moved}, since {row.since} {row.trend}")
        for row in message.rows
    ]
