"""Decodes newline-delimited JSON; each line is free JSON, and rows are in the order of lines.

A response that a language model streams is one row (`nilometer.decode.dialects`), and so is a
home-made stream of fragments (`nilometer.decode.fragments`).
"""

from nilometer.bodies import carriers
from nilometer.bodies.lines import lines as lines_of
from nilometer.bodies.media import media_type
from nilometer.decode.answer import Answer
from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.dialects import answer_begun_by
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.fragments import Fragments
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import Format
from nilometer.decode.stream_errors import error_in
from nilometer.decode.tensors import check_table
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason
from nilometer.values.streams import NDJSON, Ends


def decode(body: bytes, side: Side, *, is_declared: bool, is_response: bool) -> Facts:
    """Add the response of a language model as one row, or else the rows of each line.

    An incomplete last line is skipped: a response counts as cut, and of a request, the facts are
    partial. If the last line of a response is an error, it is not a row.

    Args:
        body: Lines of JSON.
        side: Side that the rows are added to.
        is_declared: Whether the content type declares lines of JSON. If so, lines that are not JSON
            are skipped, and the facts are partial.
        is_response: Whether *body* is a response.

    Raises:
        Undecodable: If no line is JSON, if *is_declared* is false and any line is not JSON, if
            there are too many lines, or if the rows are not a table.
    """
    check_lines(body)
    stream = _Lines(may_skip=is_declared, is_response=is_response)
    stream.take(body, 0)
    return stream.decoded(side, partial=stream.skipped)


def decode_ends(start: bytes, end: bytes, side: Side) -> Facts:
    """Add the complete lines at the start and at the end of a response.

    Raises:
        Undecodable: For the same reasons as `decode`.
    """
    check_lines(start + end)
    lines = Ends(start, end).whole_lines()
    stream = _Lines(may_skip=True, is_response=True)
    stream.take(lines.start, 0)
    stream.interrupt(is_end_known=bool(end))
    stream.take(lines.end, -len(lines.end))
    return stream.decoded(side, partial=True)


class _Lines:
    """Collects the lines of a body.

    Args:
        may_skip: Whether lines that are not JSON are skipped.
        is_response: Whether the lines are a response.

    Attributes:
        skipped: Whether lines were skipped.
    """

    def __init__(self, *, may_skip: bool, is_response: bool) -> None:
        self.skipped = False
        self._may_skip = may_skip
        self._is_response = is_response
        self._answer: Answer | None = None
        self._fragments = Fragments(only_marked=True)
        self._rows: list[Row] = []
        self._end: StreamEnd | None = None
        self._error = ""

    def take(self, body: bytes, place: int) -> None:
        """Add the lines of *body*, which is a part of the stream at *place* (see `Frames`)."""
        found = lines_of(body)
        last = max((at for at, line in enumerate(found) if line), default=-1)
        self._end = None
        end = place + len(body)
        for at, (line, whole_line) in enumerate(zip(found, body.split(b"\n"), strict=True)):
            place += len(whole_line) + 1
            if not line:
                continue
            try:
                value = from_json(line)
            except Undecodable:
                if at == len(found) - 1 and self._begun and line.startswith(b"{"):
                    self._end = StreamEnd.CUT if self._is_response else None
                    self.skipped |= not self._is_response
                elif self._may_skip:
                    self.skipped = True
                else:
                    raise
                continue
            self._add(value, min(place, end), is_last=at == last)

    def interrupt(self, *, is_end_known: bool) -> None:
        """Record that lines are missing."""
        self._fragments.interrupt(is_end_known=is_end_known)
        if self._answer is not None:
            self._answer.interrupt(is_end_known=is_end_known)

    def decoded(self, side: Side, *, partial: bool) -> Facts:
        """Add the rows to *side*; *partial* means that lines are missing."""
        answer = self._answer
        if answer is None:
            answer = self._fragments.answer()
            if answer is not None and self._error:
                answer.failed(self._error)
            elif answer is not None and self._end is None:
                answer.done()
        if answer is not None:
            side.add_rows([answer.row()])
            return answer.facts()
        rows = self._rows
        if not rows and not self._error:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        check_rows(len(rows))
        check_table(rows)
        side.add_rows(rows)
        return Facts(Protocol.NDJSON, stream_end=self._end, partial=partial, error=self._error)

    @property
    def _begun(self) -> bool:
        return bool(self._rows) or self._answer is not None

    def _add(self, value: Cell, place: int, *, is_last: bool) -> None:
        error = ""
        if self._is_response and isinstance(value, dict):
            error = error_in(value)
            if self._answer is None and not self._rows and not error:
                self._answer = answer_begun_by(value)
            if self._answer is not None:
                if error:
                    self._answer.failed(error)
                else:
                    self._answer.add(value, place)
                return
        if error and is_last:
            self._end, self._error = StreamEnd.ERROR, error
            return
        if self._is_response:
            self._fragments.add(value, place)
        self._rows.extend(rows_of(value))
        check_rows(len(self._rows))


FORMAT = Format.of(
    carriers.LINES,
    decode=lambda body, side: decode(
        body.content,
        side,
        is_declared=media_type(body.content_type) in NDJSON,
        is_response=body.role is Role.OUTPUT,
    ),
    decode_ends=lambda body, end, side: decode_ends(body.content, end, side),
)
