"""Server-sent events, found by their framing and not by what the response declares.

A stream of an OpenAI-style server is one answer (`nilometer.decode.openai_answer`); of any other,
each event that holds JSON is read as free JSON, and what is text is only counted.

Source: WHATWG HTML, "Server-sent events".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.openai_answer import Answer, is_chunk
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import check_table
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd

DONE = b"[DONE]"  # how OpenAI-style streams say that they are complete
_FRAME = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")
_ERROR = b"error"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, or empty, and its lines of data, joined."""

    kind: bytes
    data: bytes


def is_stream(body: bytes) -> bool:
    """Whether *body* begins like a stream of events."""
    return _FRAME.match(body) is not None


def events(body: bytes) -> Iterator[Event]:
    """The events of *body*; one that no empty line ends is left out, as browsers do."""
    kind = b""
    data: list[bytes] = []
    for line in body.removeprefix(b"\xef\xbb\xbf").splitlines():
        if not line:
            if data:
                yield Event(kind, b"\n".join(data))
            kind, data = b"", []
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value


def decode(body: bytes, side: Side) -> Facts:
    """Add the answer, or a row an event, and one about the text of all that hold no JSON.

    Raises:
        Undecodable: If the events make no table, or there are too many.
    """
    check_lines(body)
    answer = Answer()
    rows: list[Row] = []
    texts = characters = 0
    end: StreamEnd | None = None
    for event in events(body):
        if event.data == DONE:
            end = end or StreamEnd.COMPLETED
            continue
        if event.kind == _ERROR:
            end = StreamEnd.ERROR
        try:
            value = from_json(event.data)
        except Undecodable:
            texts += 1
            characters += len(event.data.decode("utf-8", "replace"))
            continue
        if isinstance(value, dict):
            if value.get("error") or value.get("type") == "error":
                end = StreamEnd.ERROR
                continue
            if is_chunk(value):
                answer.add(value)
                continue
        rows.extend(rows_of(value))
        check_rows(len(rows))
    if answer.begun:
        side.add_rows([answer.row()])
        return answer.facts(end)
    if texts:
        rows.append({"texts": texts, "characters": characters})
    check_table(rows)
    side.add_rows(rows)
    return Facts(Protocol.SSE, stream_end=end)


FORMAT = Format(begins=is_stream, decode=lambda body, side: decode(body.content, side))
