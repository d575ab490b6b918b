"""Decodes newline-delimited JSON: each line as free JSON, with rows in the order of the lines."""

from nilometer.bodies import carriers
from nilometer.bodies.lines import lines as lines_of
from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import check_table
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason
from nilometer.values.streams import Ends


def decode(body: bytes, side: Side) -> Facts:
    """Add the rows of each line; an incomplete last line is skipped, and marks a broken stream.

    Raises:
        Undecodable: If another line is not JSON, there are no lines or too many, or the rows are
            not a table.
    """
    check_lines(body)
    rows, end = _rows(body)
    _add(rows, side)
    return Facts(Protocol.NDJSON, stream_end=end)


def decode_ends(start: bytes, end: bytes, side: Side) -> Facts:
    """Add the rows of the complete lines at the start and at the end of a stream.

    Raises:
        Undecodable: For the same reasons as `decode`.
    """
    check_lines(start + end)
    lines = Ends(start, end).whole_lines()
    first, _ = _rows(lines.start)
    last, reported_end = _rows(lines.end)
    _add(first + last, side)
    return Facts(Protocol.NDJSON, stream_end=reported_end, partial=True)


def _rows(body: bytes) -> tuple[list[Row], StreamEnd | None]:
    lines = lines_of(body)
    last = len(lines) - 1
    rows: list[Row] = []
    end: StreamEnd | None = None
    for at, line in enumerate(lines):
        if not line:
            continue
        try:
            value = from_json(line)
        except Undecodable:
            if at < last or not rows or not line.startswith(b"{"):
                raise
            end = StreamEnd.ERROR
            continue
        rows.extend(rows_of(value))
        check_rows(len(rows))
    return rows, end


def _add(rows: list[Row], side: Side) -> None:
    if not rows:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    check_rows(len(rows))
    check_table(rows)
    side.add_rows(rows)


FORMAT = Format.of(
    carriers.LINES,
    decode=lambda body, side: decode(body.content, side),
    decode_ends=lambda body, end, side: decode_ends(body.content, end, side),
)
