"""Slack messages: one line of text, and the same content as blocks.

Source: Slack, "Sending messages using incoming webhooks" and "Formatting text for app surfaces":
``&``, ``<`` and ``>`` are escaped, so that no name can become a link or mention a channel. A button has few
characters, so each of several episodes has a block with its name above its buttons.
"""

from collections.abc import Iterable, Sequence

from nilometer.values.plain_text import printable, shortened
from nilometer_collector.channels.choices import Choice
from nilometer_collector.channels.message import MOST_ROWS, Message, Stage
from nilometer_collector.channels.rows import Row

MAX_HEADER_CHARACTERS = 150  # Slack's own limit
MAX_SECTION_CHARACTERS = 2900  # Slack's limit is 3000
MAX_NAME_CHARACTERS = (MAX_SECTION_CHARACTERS - 2) // 5  # "&" becomes five, and two make it bold
MAX_BUTTON_CHARACTERS = 75  # Slack's own limit; a block takes 25 buttons, and a message 50 blocks

Block = dict[str, object]

_MARKS = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}
_DONE = {Stage.CLOSED: ":white_check_mark:", Stage.ACKNOWLEDGED: ":eyes:", Stage.ACTION: ":wrench:"}


def slack_content(message: Message) -> dict[str, object]:
    """Return *message* as the JSON of an incoming webhook."""
    first = message.told[0]
    mark = _DONE.get(message.stage) or _MARKS[message.severity.value]
    sentences = [f"{one.evidence}." for one in message.told]
    evidence = "The page shows all." if message.is_digest else " ".join(sentences[:MOST_ROWS])
    text = f"{message.headline}. {evidence} {message.link}"
    alerters = sorted({one.episode.alerter.name for one in message.told})
    digest = first.notice.transition.reference_digest
    reference = first.notice.transition.alerter.condition.reference
    parts = [
        f"{mark} {_escaped(evidence)}",
        *(_escaped(line) for line in (message.note, message.cause, message.health) if line),
        f"_Alerter {_escaped(', '.join(alerters))}_"
        + (f", reference {_escaped(reference)} {_escaped(digest)}" if reference else ""),
    ]
    blocks: list[Block] = [
        {
            "type": "header",
            "text": _plain(shortened(printable(message.headline), MAX_HEADER_CHARACTERS)),
        },
        _section(_table(message)),
        _section("\n".join(parts)),
    ]
    if message.remedy:
        blocks.append({"type": "context", "elements": [_markdown(_escaped(message.remedy))]})
    for name, choices in message.decided(MAX_NAME_CHARACTERS):
        blocks += [_section(f"*{_escaped(name)}*"), _actions(map(_choice_button, choices))]
    page = _button(message.link_text, message.link)
    blocks.append(_actions([page, *map(_choice_button, message.sole_choices)]))
    return {"text": shortened(_escaped(text), MAX_SECTION_CHARACTERS), "blocks": blocks}


def _table(message: Message) -> str:
    """Return what moved, one line each, the earliest first; of a digest, one line for each entity."""
    if message.is_digest:
        lines = [
            f"*{_escaped(one.episode.alerter.entity)}* {one.stage.value}: "
            f"{_escaped(one.episode.summary)}, since {one.rows[0].since}"
            for one in message.told
        ]
    else:
        lines = _row_lines(message.rows)
    more = len(lines) - MOST_ROWS
    return "\n".join(lines[:MOST_ROWS] + [f"and {more} more"] * (more > 0))


def _row_lines(rows: Sequence[Row]) -> list[str]:
    return [
        f"*{_escaped(row.where)}* {_escaped(row.summary)}: {_escaped(row.moved)}, since {row.since}"
        + (f" `{row.trend}`" if row.trend else "")
        for row in rows
    ]


def _section(text: str) -> Block:
    return {"type": "section", "text": _markdown(text)}


def _actions(buttons: Iterable[Block]) -> Block:
    return {"type": "actions", "elements": [*buttons]}


def _choice_button(choice: Choice) -> Block:
    return _button(choice.text, choice.url)


def _button(text: str, url: str) -> Block:
    shown = _plain(shortened(printable(text), MAX_BUTTON_CHARACTERS))
    return {"type": "button", "text": shown, "url": url}


def _markdown(text: str) -> Block:
    # Verbatim text turns no address or name into a link or a mention.
    return {"type": "mrkdwn", "text": shortened(text, MAX_SECTION_CHARACTERS), "verbatim": True}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
