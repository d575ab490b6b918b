"""Newline-delimited JSON: each line is read as free JSON, its rows in the order of the lines."""

from nilometer.decode.budget import check_lines, check_rows
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import check_table
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason

_RECORD_SEPARATOR = b"\x1e"  # of JSON text sequences, RFC 7464


def decode(body: bytes, side: Side) -> Facts:
    """Add a row a line; a last line that is cut off is left out, and says that the stream broke.

    Raises:
        Undecodable: If another line is no JSON, there is none, they make no table, or there
            are too many.
    """
    check_lines(body)
    lines = [line.strip(b" \t\r" + _RECORD_SEPARATOR) for line in body.split(b"\n")]
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
    if not rows:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    check_table(rows)
    side.add_rows(rows)
    return Facts(Protocol.NDJSON, stream_end=end)


FORMAT = Format(
    media_types=frozenset(
        {
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonlines",
            "application/jsonlines",
            "application/json-seq",
        }
    ),
    begins=lambda content: content.lstrip().startswith(b"{") and b"\n" in content,
    decode=lambda body, side: decode(body.content, side),
)
