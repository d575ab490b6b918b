"""From what the event loop kept to the arrays that travel."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from nilometer.capture.sink import Captured

Headers = Sequence[tuple[bytes, bytes]]
# In the order of nilometer.capture.observation.Observation.
Packed: TypeAlias = tuple[
    int,
    float,
    int,
    str,
    str,
    str,
    int,
    int,
    str,
    str,
    str,
    str,
    bytes | None,
    bytes | None,
    str,
]


def packed(captured: Captured, event_time_header: bytes) -> Packed:
    """One observation: chunks joined, and only the headers that decoding needs."""
    request_type, request_encoding, event_time = _headers(captured[6], event_time_header)
    response_type, response_encoding, _ = _headers(captured[7], b"")
    return (
        *captured[:6],
        captured[10],
        captured[11],
        request_type,
        request_encoding,
        response_type,
        response_encoding,
        _joined(captured[8]),
        _joined(captured[9]),
        event_time,
    )


def _joined(chunks: list[bytes] | None) -> bytes | None:
    if chunks is None:
        return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _headers(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> tuple[str, str, str]:
    kind = encoding = event_time = b""
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-type":
            kind = value
        elif lower == b"content-encoding":
            encoding = value
        elif lower == wanted:
            event_time = value
    return kind.decode("latin-1"), encoding.decode("latin-1"), event_time.decode("latin-1")
