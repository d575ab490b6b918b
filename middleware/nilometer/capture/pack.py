"""From what the event loop kept to the arrays that travel."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from nilometer.capture.sink import Body, Captured
from nilometer.reasons import DropReason

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
    """One observation: chunks joined, and only the headers that decoding needs.

    ASGI's header names are lower case; of a header that repeats the last value is taken.
    """
    request, response = dict(captured[8]), dict(captured[9])
    return (
        *captured[:8],
        request.get(b"content-type", b"").decode("latin-1"),
        request.get(b"content-encoding", b"").decode("latin-1"),
        response.get(b"content-type", b"").decode("latin-1"),
        response.get(b"content-encoding", b"").decode("latin-1"),
        _whole(captured[10]),
        _whole(captured[11]),
        request.get(event_time_header, b"").decode("latin-1"),
    )


def packed_all(batch: Iterable[Captured], event_time_header: bytes) -> tuple[list[Packed], int]:
    """All that can be packed, and how many cannot: one spoilt observation is one lost."""
    arrays: list[Packed] = []
    spoilt = 0
    for captured in batch:
        try:
            arrays.append(packed(captured, event_time_header))
        except (TypeError, ValueError, AttributeError):  # an application that breaks ASGI's types
            spoilt += 1
    return arrays, spoilt


def with_spoilt(dropped: Mapping[DropReason, int], spoilt: int) -> dict[str, int]:
    """Lost observations by the name of their reason."""
    counts = {reason.value: count for reason, count in dropped.items()}
    if spoilt:
        reason = DropReason.INTERNAL_ERROR.value
        counts[reason] = counts.get(reason, 0) + spoilt
    return counts


def _whole(body: Body) -> bytes | None:
    return b"".join(body) if isinstance(body, list) else body
