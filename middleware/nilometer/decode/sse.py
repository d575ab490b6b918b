"""Decodes server-sent events, recognised by their framing and not by the content type.

The stream of an OpenAI-style server is one response (`nilometer.decode.openai_response`). In other
streams, each event with JSON is decoded as free JSON, and text is only counted.

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
from nilometer.decode.openai_response import Response, is_chunk
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import check_table
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason

DONE = b"[DONE]"  # data of the last event of a complete OpenAI-style stream
_FRAME = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")
_ERROR = b"error"
# Two line ends of any of the three kinds. CR LF counts as a single line end.
_EMPTY_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_DATA_LINE = re.compile(rb"[\r\n]+data: ?")  # separates two data lines of one event


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, or empty, and its joined data lines."""

    kind: bytes
    data: bytes


def is_stream(body: bytes) -> bool:
    """Return whether *body* begins like a stream of events."""
    return _FRAME.match(body) is not None


def events(body: bytes) -> Iterator[Event]:
    """Yield the events of *body*.

    Like browsers, this skips a last event that no empty line follows. A JSON object, a JSON list
    and the end marker of the stream are kept, because they are complete.
    """
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
    if data and _is_whole(last := b"\n".join(data)):
        yield Event(kind, last)


def decode(body: bytes, side: Side) -> Facts:
    """Add one row for an OpenAI-style response, else the rows of each event with JSON.

    One more row counts the text of all events without JSON.

    Raises:
        Undecodable: If the events are not a table, or there are too many.
    """
    check_lines(body)
    stream = _Stream()
    stream.take(body)
    return stream.decoded(side)


def decode_ends(start: bytes, end: bytes, side: Side) -> Facts:
    """Add the content of both ends of a stream: a response, or the rows of complete events.

    Counts over the whole stream are absent. The usage of a response is found even if the missing
    middle cuts into its event.

    Raises:
        Undecodable: If the events are not a table, none contains JSON, or there are too many.
    """
    check_lines(start + end)
    boundary = _EMPTY_LINE.search(end)
    next_event = boundary.end() if boundary is not None else len(end)
    cut = end[:next_event]
    stream = _Stream()
    stream.take(start)
    stream.response.interrupt()
    stream.response.add_cut(_DATA_LINE.sub(b"\n", cut))
    stream.take(cut, objects_only=True)  # an event may begin here
    stream.take(end[next_event:])
    return stream.decoded(side, partial=True)


class _Stream:
    """Accumulates the events of a stream."""

    def __init__(self) -> None:
        self.response = Response()
        self._rows: list[Row] = []
        self._texts = self._characters = 0
        self._end: StreamEnd | None = None

    def take(self, body: bytes, *, objects_only: bool = False) -> None:
        """Add the events of *body*; with *objects_only*, only events with a JSON object."""
        for event in events(body):
            if objects_only and not event.data.startswith(b"{"):
                continue
            if event.data == DONE:
                self._end = self._end or StreamEnd.COMPLETED
                continue
            if event.kind == _ERROR:
                self._end = StreamEnd.ERROR
            try:
                value = from_json(event.data)
            except Undecodable:
                self._texts += 1
                self._characters += len(event.data.decode("utf-8", "replace"))
                continue
            if isinstance(value, dict):
                if value.get("error") or value.get("type") == "error":
                    self._end = StreamEnd.ERROR
                    continue
                if is_chunk(value):
                    self.response.add(value)
                    continue
            self._rows.extend(rows_of(value))
            check_rows(len(self._rows))

    def decoded(self, side: Side, *, partial: bool = False) -> Facts:
        """Add the rows to *side*; *partial* means that events in between are missing."""
        if self.response.begun:
            side.add_rows([self.response.row()])
            return self.response.facts(self._end)
        rows = self._rows
        if self._texts and not partial:
            rows.append({"texts": self._texts, "characters": self._characters})
        if partial and not rows:
            raise Undecodable(UndecodableReason.TOO_LARGE.value)
        check_table(rows)
        side.add_rows(rows)
        return Facts(Protocol.SSE, stream_end=self._end, partial=partial)


def _is_whole(data: bytes) -> bool:
    """Return whether *data* is certainly complete and not the beginning of a longer event."""
    if data == DONE:
        return True
    try:
        return isinstance(from_json(data), dict | list)
    except Undecodable:
        return False


FORMAT = Format(
    begins=is_stream,
    decode=lambda body, side: decode(body.content, side),
    decode_ends=lambda body, end, side: decode_ends(body.content, end, side),
)
