"""Joins the request and the response of a prediction, within limits of time and memory."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

MAX_WAITING = 100_000  # halves
MAX_WAITING_BYTES = 64 << 20
MAX_REMEMBERED = 100_000  # pairs remembered to detect repeated halves


class Side(Enum):
    """The half of a prediction that an event contains."""

    REQUEST = "request"
    RESPONSE = "response"


HALF_BYTES = 1000  # bytes of an empty half in the memory of CPython


@dataclass(frozen=True, slots=True)
class Half:
    """One event of a prediction.

    Attributes:
        entity: Name of the monitored entity.
        labels: Labels of its origin, as sorted pairs.
        side: Request or response.
        key: Key that both halves share, within the entity.
        prediction_id: Id of the prediction from the sender.
        time_ns: Time of the event, Unix nanoseconds.
        timed: Whether the time is from the sender; else `time_ns` is when the event arrived.
        content_type: Content type from the sender.
        trace_parent: W3C ``traceparent`` header; may be empty.
        data: Body; None if it exceeds the cap.
        size: Size of the body in bytes.
        status: HTTP status of the response; 0 if the sender does not send it.
    """

    entity: str
    labels: tuple[tuple[str, str], ...]
    side: Side
    key: str
    prediction_id: str
    time_ns: int
    timed: bool
    content_type: str
    trace_parent: str
    data: bytes | None
    size: int
    status: int = 0


Pair: TypeAlias = tuple[Half | None, Half | None]  # request and response
_Key: TypeAlias = tuple[str, str]


class Joiner:
    """Keeps a half until its other half arrives. Not thread-safe; the caller passes in the time.

    Args:
        seconds: Longest time that a half waits, and for which a returned pair is remembered.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: OrderedDict[_Key, tuple[float, Half]] = OrderedDict()
        self._waiting_bytes = 0
        # Pairs that were returned: the time until which each is remembered, and the halves that arrived.
        self._left: OrderedDict[_Key, tuple[float, frozenset[Side]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Number of halves that wait."""
        return len(self._waiting)

    def take(self, half: Half, now: float) -> tuple[Pair | None, bool]:
        """Add *half* at *now*, monotonic seconds.

        Returns:
            The completed pair, or None; and whether this half is a repetition.
        """
        key = (half.entity, half.key)
        if key in self._left:
            until, came = self._left[key]
            if half.side in came:
                return None, True
            self._left[key] = (until, came | {half.side})
            return alone(half), False  # the other half was returned alone before
        found = self._waiting.get(key)
        if found is None:
            self._waiting[key] = (now + self._seconds, half)
            self._waiting_bytes += held(half)
            return None, False
        other = found[1]
        if other.side is half.side:
            return None, True
        self._let_go(key, now, frozenset(Side))
        return ((other, half) if half.side is Side.RESPONSE else (half, other)), False

    def expired(self, now: float) -> list[Pair]:
        """Return halves that waited too long or do not fit, each as a pair with one half missing."""
        found: list[Pair] = []
        while self._waiting:
            key, (until, half) = next(iter(self._waiting.items()))
            full = len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES
            if until > now and not full:
                break
            self._let_go(key, now, frozenset({half.side}))
            found.append(alone(half))
        while self._left:
            key, (until, _) = next(iter(self._left.items()))
            if until > now and len(self._left) <= MAX_REMEMBERED:
                break
            del self._left[key]
        return found

    def _let_go(self, key: _Key, now: float, came: frozenset[Side]) -> None:
        _, half = self._waiting.pop(key)
        self._waiting_bytes -= held(half)
        self._left[key] = (now + self._seconds, came)


def alone(half: Half) -> Pair:
    """Return *half* as a pair whose other half is missing."""
    return (half, None) if half.side is Side.REQUEST else (None, half)


def held(half: Half) -> int:
    """Return the memory of a half in bytes, including the objects it refers to."""
    texts = (half.entity, half.key, half.prediction_id, half.content_type, half.trace_parent)
    labels = sum(len(name) + len(value) for name, value in half.labels)
    return len(half.data or b"") + sum(map(len, texts)) + labels + HALF_BYTES
