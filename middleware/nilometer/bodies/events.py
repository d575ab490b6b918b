"""Splits a stream of server-sent events, which it recognises by its framing.

Source: WHATWG HTML, "Server-sent events".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nilometer.bodies.json_text import parsed

DONE = b"[DONE]"  # marks a complete OpenAI-style stream
_FRAME = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")
_JSON_EVENT = re.compile(rb"(?:^|[\r\n])data: ?[{\[]")
# Two line ends, each of one of the three kinds. CR LF counts as a single line end.
EMPTY_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        kind: Type of the event; may be empty.
        data: Data lines, joined.
        end: Number of bytes of the body up to the end of the event.
    """

    kind: bytes
    data: bytes
    end: int


def is_stream(body: bytes) -> bool:
    """Return whether *body* begins like a stream of events."""
    return _FRAME.match(body) is not None


def has_json_event(body: bytes) -> bool:
    """Return whether a line of *body* is an event with JSON, or the end marker."""
    return _JSON_EVENT.search(body) is not None


def events(body: bytes) -> Iterator[Event]:
    """Yield the events of *body*.

    A last event without a following empty line is skipped, as in browsers. It is kept if it is a
    JSON object, a JSON list or the end marker of the stream, because these are complete.
    """
    kind = b""
    data: list[bytes] = []
    content = body.removeprefix(b"\xef\xbb\xbf")
    end = len(body) - len(content)
    for whole_line in content.splitlines(keepends=True):
        end += len(whole_line)
        line = whole_line.rstrip(b"\r\n")
        if not line:
            if data:
                yield Event(kind, b"\n".join(data), end)
            kind, data = b"", []
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
    if data and _is_whole(last := b"\n".join(data)):
        yield Event(kind, last, end)


def _is_whole(data: bytes) -> bool:
    """Return whether *data* is certainly complete, and not the start of a longer event."""
    if data == DONE:
        return True
    try:
        return isinstance(parsed(data), dict | list)
    except ValueError:
        return False
