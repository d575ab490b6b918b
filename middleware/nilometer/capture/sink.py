"""The bounded queue between the path of a request and the background thread."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Body: TypeAlias = bytes | bytearray | None  # one chunk, several, or over the cap


class Streamed(NamedTuple):
    """What an answer in several chunks leaves behind.

    Attributes:
        chunks: Body messages with bytes.
        gaps: Little-endian float32 seconds between them, at most `MAX_GAPS`.
        end: A value of `nilometer.reasons.StreamEnd`.
    """

    chunks: int
    gaps: bytes
    end: str


class Captured(NamedTuple):
    """One request as the path left it. On the path it is a plain tuple in this order.

    Attributes:
        arrival_ns: Unix nanoseconds.
        latency: Seconds until the answer was passed on, or the end without one.
        status: HTTP status; 0 without an answer.
        outcome: A value of `nilometer.reasons.Outcome`.
        method: HTTP method.
        path: Without the query string.
        request_size: Bytes.
        response_size: Bytes.
        request_headers: As the server gave them.
        response_headers: As the application sent them.
        request_body: None when it was over the cap.
        response_body: None when it was over the cap.
        in_flight: Requests of this process in flight when this one began, itself included.
        first_byte: Seconds to the first byte of the answer's body; 0 when there was none.
        streamed: Of an answer in several chunks, else None.
        noted: What the model handed over by `nilometer.log` and `label`, else None.
        query: The query string, where a setting names parameters, else None.
        held_bytes: What it weighs in the queue.
    """

    arrival_ns: int
    latency: float
    status: int
    outcome: str
    method: str
    path: str
    request_size: int
    response_size: int
    request_headers: Headers
    response_headers: Headers
    request_body: Body
    response_body: Body
    in_flight: int
    first_byte: float
    streamed: Streamed | None
    noted: Any
    query: bytes | None
    held_bytes: int


ITEM_BYTES = 512  # what a captured request weighs besides its bodies, measured generously
MAX_GAPS = 512

# The path makes plain tuples in the order of `Captured`: a named tuple's constructor is a call more.
Plain: TypeAlias = tuple[
    int,
    float,
    int,
    str,
    str,
    str,
    int,
    int,
    Headers,
    Headers,
    Body,
    Body,
    int,
    float,
    Streamed | None,
    Any,
    bytes | None,
    int,
]

_held_bytes = itemgetter(17)


class Sink:
    """Takes what the path offers, never waits, and counts what it refuses.

    Bounded by bytes, because bodies vary. Any thread may offer and one takes: a list's `append`,
    slice and `del` are each one step of the interpreter, and each counter has one side that writes
    it, so neither side needs a lock.

    Args:
        max_bytes: Most bytes of bodies and bookkeeping held at once.
    """

    __slots__ = ("_items", "_offered_bytes", "_taken_bytes", "max_bytes", "refused")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.refused = 0  # observations
        self._items: list[Plain] = []
        self._offered_bytes = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, captured: Plain, held_bytes: int) -> None:
        """Take *captured*, whose last element is *held_bytes*, if there is room; else count it."""
        if self._offered_bytes - self._taken_bytes + held_bytes > self.max_bytes:
            self.refused += 1
            return
        self._offered_bytes += held_bytes
        self._items.append(captured)

    def take(self, most: int, most_bytes: int) -> list[Plain]:
        """Up to *most* observations of together about *most_bytes*, oldest first."""
        taken = self._items[:most]
        size = sum(map(_held_bytes, taken))
        while size > most_bytes and len(taken) > 1:
            size -= taken.pop()[17]
        del self._items[: len(taken)]
        self._taken_bytes += size
        return taken
