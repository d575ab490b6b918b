"""Two halves of a prediction to one, within a time limit and within bounds."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

MAX_WAITING = 100_000  # halves
MAX_WAITING_BYTES = 64 << 20
MAX_REMEMBERED = 100_000  # pairs whose halves would be known as repeated


class Side(Enum):
    """Which half of a prediction an event is."""

    REQUEST = "request"
    RESPONSE = "response"


HALF_BYTES = 1000  # of an empty half in the memory of CPython


@dataclass(frozen=True, slots=True)
class Half:
    """One event of a prediction.

    Attributes:
        entity: Name of the monitored entity.
        labels: Where it came from, as pairs in order.
        side: Which half.
        key: What both halves have in common, with the entity.
        prediction_id: What the sender calls the prediction.
        time_ns: When it happened, Unix nanoseconds.
        timed: Whether the sender said so; else `time_ns` is when it came here.
        content_type: As the sender gave it.
        trace_parent: The W3C header, or empty.
        data: The body; None over the cap.
        size: Bytes of the body.
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


Pair: TypeAlias = tuple[Half | None, Half | None]  # request and response
_Key: TypeAlias = tuple[str, str]


class Joiner:
    """Keeps halves until the other comes. One owner, and the time is its owner's.

    Args:
        seconds: How long a half waits, and how long a pair is remembered.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: OrderedDict[_Key, tuple[float, Half]] = OrderedDict()
        self._waiting_bytes = 0
        # What has left: until when it is remembered, and which halves of it came.
        self._left: OrderedDict[_Key, tuple[float, frozenset[Side]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Halves that wait."""
        return len(self._waiting)

    def take(self, half: Half, now: float) -> tuple[Pair | None, bool]:
        """Take *half* at *now*, monotonic seconds.

        Returns:
            The pair that it completes, or None; and whether it had come before.
        """
        key = (half.entity, half.key)
        if key in self._left:
            until, came = self._left[key]
            if half.side in came:
                return None, True
            self._left[key] = (until, came | {half.side})
            return alone(half), False  # too late for the other
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
        """Halves whose time is over, or that there is no room for: each is half a pair."""
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
    """A pair of which the other half did not come."""
    return (half, None) if half.side is Side.REQUEST else (None, half)


def held(half: Half) -> int:
    """Bytes that a half weighs, with its own objects."""
    texts = (half.entity, half.key, half.prediction_id, half.content_type, half.trace_parent)
    labels = sum(len(name) + len(value) for name, value in half.labels)
    return len(half.data or b"") + sum(map(len, texts)) + labels + HALF_BYTES
