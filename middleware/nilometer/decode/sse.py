"""Decodes server-sent events, recognised by their framing instead of the content type.

The stream of a language model is one response (`nilometer.decode.dialects`), and so is a home-made
stream of fragments (`nilometer.decode.fragments`). In other streams, each event with JSON is decoded
as free JSON, and text is only counted.

Source: WHATWG HTML, "Server-sent events".
"""

import json
import re

from nilometer.bodies import carriers
from nilometer.bodies.column_names import VALUE
from nilometer.bodies.events import DONE, EMPTY_LINE, Event, events
from nilometer.decode.answer import Answer
from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.dialects import answer_begun_by
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.fragments import Fragments
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import Format
from nilometer.decode.stream_errors import UNNAMED, error_in
from nilometer.decode.tensors import check_table
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason

MAX_USAGES = 4  # usage objects parsed per event; a hostile event may have thousands
_ERROR = b"error"
_DATA_LINE = re.compile(rb"[\r\n]+data: ?")  # separates two data lines of one event
# Matches only keys of an object, because quotes inside a string would be escaped.
_USAGE_KEY = re.compile(rb'"usage(?:Metadata)?"\s*:\s*')
_json = json.JSONDecoder()


def decode(body: bytes, side: Side, *, is_response: bool = True) -> Facts:
    """Add the response of a language model as one row, or else the rows of each event with JSON.

    One more row counts the text of all events that are not JSON.

    Args:
        body: Server-sent events.
        side: Side that the rows are added to.
        is_response: Whether *body* is a response. In a request, each event is only data: no frame
            of a response, and no error.

    Raises:
        Undecodable: If the events are not a table, or there are too many.
    """
    check_lines(body)
    stream = _Stream(is_response=is_response)
    stream.take(body, 0)
    return stream.decoded(side)


def decode_ends(start: bytes, end: bytes, side: Side) -> Facts:
    """Add both ends of a stream: one language model response, or the rows of complete events.

    Counts over the whole stream are absent. The usage of a response is found even if a part of its
    event is missing.

    Raises:
        Undecodable: If the events are not a table, none contains JSON, or there are too many.
    """
    check_lines(start + end)
    boundary = EMPTY_LINE.search(end)
    next_event = boundary.end() if boundary is not None else len(end)
    cut = end[:next_event]
    stream = _Stream()
    stream.take(start, 0)
    stream.interrupt(_DATA_LINE.sub(b"\n", cut), is_end_known=bool(end))
    stream.take(cut, -len(end), objects_only=True)  # the part may start inside an event
    stream.take(end[next_event:], next_event - len(end))
    return stream.decoded(side, partial=True)


class _Stream:
    """Collects the events of a stream; *is_response* as in `decode`."""

    def __init__(self, *, is_response: bool = True) -> None:
        self._is_response = is_response
        self._answer: Answer | None = None
        self._fragments = Fragments()
        self._rows: list[Row] = []
        self._scalars: list[tuple[Cell, int]] = []  # events with a single value, and their lengths
        self._texts = self._characters = 0
        self._end: StreamEnd | None = None
        self._error = ""
        self._refused: Cell = None  # object that reports an error, unless it turns out to be data

    def take(self, body: bytes, place: int, *, objects_only: bool = False) -> None:
        """Add the events of *body*.

        Args:
            body: A part of the stream.
            place: Place of the part, see `nilometer.decode.facts.Frames`.
            objects_only: Whether only events with a JSON object are added.
        """
        for event in events(body):
            if objects_only and not event.data.startswith(b"{"):
                continue
            if event.data == DONE and self._is_response:
                self._end = self._end or StreamEnd.COMPLETED
                continue
            try:
                value = from_json(event.data)
            except Undecodable:
                self._add_text(event)
                continue
            if not (self._is_response and isinstance(value, dict)):
                self._add_value(value, event, place)
            elif event.kind == _ERROR or error_in(value):
                self._fail(error_in(value) or UNNAMED)
                self._refused = None if event.kind == _ERROR else value
            elif not self._add_frame(value, place + event.end):
                self._add_value(value, event, place)

    def interrupt(self, cut: bytes, *, is_end_known: bool) -> None:
        """Record that events are missing; *cut* is the end of an event whose start is missing."""
        answer = self._answer
        self._fragments.interrupt(is_end_known=is_end_known)
        if answer is not None:
            answer.interrupt(is_end_known=is_end_known)
            for found in [*_USAGE_KEY.finditer(cut)][-MAX_USAGES:]:
                answer.add_usage(_value_at(cut, found.end()))

    def decoded(self, side: Side, *, partial: bool = False) -> Facts:
        """Add the rows to *side*; *partial* means that events in between are missing."""
        answer = self._answer
        if answer is None:
            answer = self._fragments.answer(beside=self._texts)
            self._end = self._end if answer is None else self._end or StreamEnd.COMPLETED
        if answer is not None:
            if self._end is StreamEnd.ERROR:
                answer.failed(self._error)
            elif self._end is not None:
                answer.done()
            side.add_rows([answer.row()])
            return answer.facts()
        rows = self._rows
        if not self._texts:
            rows.extend({VALUE: value} for value, _ in self._scalars)
        else:  # a number may be a part of a text
            self._texts += len(self._scalars)
            self._characters += sum(length for _, length in self._scalars)
        if self._texts and not partial:
            rows.append({"texts": self._texts, "characters": self._characters})
        if partial and not rows:
            raise Undecodable(UndecodableReason.TOO_LARGE.value)
        check_table(rows)
        side.add_rows(rows)
        return Facts(Protocol.SSE, stream_end=self._end, partial=partial, error=self._error)

    def _add_frame(self, frame: dict[str, Cell], place: int) -> bool:
        """Add a frame of a response; return False if *value* is not a frame."""
        if self._answer is None:
            self._answer = answer_begun_by(frame)
            if self._answer is None:
                return False
        self._answer.add(frame, place)
        return True

    def _add_value(self, value: Cell, event: Event, place: int) -> None:
        """Add an event that is neither a frame of a known API nor an error."""
        if not self._is_response:
            self._add_rows(value, event)
            return
        if event.kind == _ERROR:
            self._fail(UNNAMED)
            return
        kind = event.kind.decode("utf-8", "replace")
        is_frame = self._fragments.add(value, place + event.end, kind)
        if self._refused is not None and not (is_frame and isinstance(value, dict)):
            # The stream continued with data, so the object before was data, too.
            self._rows.extend(rows_of(self._refused))
            self._end, self._error, self._refused = None, "", None
        self._add_rows(value, event)

    def _add_rows(self, value: Cell, event: Event) -> None:
        """Add the rows of an event with JSON."""
        if isinstance(value, dict | list):
            self._rows.extend(rows_of(value))
        else:
            self._scalars.append((value, _length(event)))
        check_rows(len(self._rows) + len(self._scalars))

    def _add_text(self, event: Event) -> None:
        if self._is_response and event.kind == _ERROR:
            self._fail(UNNAMED)
            return
        self._texts += 1
        self._characters += _length(event)

    def _fail(self, error: str) -> None:
        self._end, self._error = StreamEnd.ERROR, self._error or error


def _length(event: Event) -> int:
    """Return the number of characters of an event."""
    return len(event.data.decode("utf-8", "replace"))


def _value_at(piece: bytes, start: int) -> Cell:
    """Return the JSON value that starts at *start*; None if it is invalid or cut off."""
    try:
        value: Cell = _json.raw_decode(piece[start:].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None
    return value


FORMAT = Format.of(
    carriers.EVENTS,
    decode=lambda body, side: decode(body.content, side, is_response=body.role is Role.OUTPUT),
    decode_ends=lambda body, end, side: decode_ends(body.content, end, side),
)
