"""Decodes newline-delimited JSON: each line as free JSON, with rows in the order of the lines."""

from nilometer.bodies import carriers
from nilometer.bodies.lines import lines as lines_of
from nilometer.bodies.media import media_type
from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import check_table
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason
from nilometer.values.streams import NDJSON, Ends


def decode(body: bytes, side: Side, *, is_declared: bool) -> Facts:
    """Add the rows of each line; an incomplete last line is skipped, and marks a broken stream.

    Args:
        body: Lines of JSON.
        side: Side that the rows are added to.
        is_declared: Whether the content type says that these are lines of JSON. If so, lines that
            are not JSON are skipped, and the facts are partial.

    Raises:
        Undecodable: If no line is JSON, if another line is not and *is_declared* is false, if there
            are too many lines, or if the rows are not a table.
    """
    check_lines(body)
    rows, end, skipped = _rows(body, may_skip=is_declared)
    _add(rows, side)
    return Facts(Protocol.NDJSON, stream_end=end, partial=skipped)


def decode_ends(start: bytes, end: bytes, side: Side) -> Facts:
    """Add the rows of the complete lines at the start and at the end of a stream.

    Raises:
        Undecodable: For the same reasons as `decode`.
    """
    check_lines(start + end)
    lines = Ends(start, end).whole_lines()
    first, _, _ = _rows(lines.start, may_skip=True)
    last, reported_end, _ = _rows(lines.end, may_skip=True)
    _add(first + last, side)
    return Facts(Protocol.NDJSON, stream_end=reported_end, partial=True)


def _rows(body: bytes, *, may_skip: bool) -> tuple[list[Row], StreamEnd | None, bool]:
    """Return the rows, the end that the last line reports, and whether lines were skipped."""
    lines = lines_of(body)
    last = len(lines) - 1
    rows: list[Row] = []
    end: StreamEnd | None = None
    skipped = False
    for at, line in enumerate(lines):
        if not line:
            continue
        try:
            value = from_json(line)
        except Undecodable:
            if at == last and rows and line.startswith(b"{"):
                end = StreamEnd.ERROR
            elif may_skip:
                skipped = True
            else:
                raise
            continue
        rows.extend(rows_of(value))
        check_rows(len(rows))
    return rows, end, skipped


def _add(rows: list[Row], side: Side) -> None:
    if not rows:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    check_rows(len(rows))
    check_table(rows)
    side.add_rows(rows)


FORMAT = Format.of(
    carriers.LINES,
    decode=lambda body, side: decode(
        body.content, side, is_declared=media_type(body.content_type) in NDJSON
    ),
    decode_ends=lambda body, end, side: decode_ends(body.content, end, side),
)
