"""Joins the request and the response of a prediction, within limits of time and memory."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

MAX_WAITING = 100_000  # halves
MAX_WAITING_BYTES = 64 << 20
MAX_REMEMBERED = 100_000  # keys remembered to detect repeated halves
MAX_CONTENTS = 8  # halves of one key remembered to detect repeated halves


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


class Joined(NamedTuple):
    """What a half that arrived completes.

    Attributes:
        pairs: The completed pair, or halves that join nothing.
        repeated: Whether the half arrived before.
        ambiguous: Number of halves in *pairs* that join nothing because another half of the same side
            and the same key has another content.
    """

    pairs: tuple[Pair, ...] = ()
    repeated: bool = False
    ambiguous: int = 0


_Key: TypeAlias = tuple[str, str]
_Came: TypeAlias = frozenset[tuple[Side, int]]  # sides that arrived, with a hash of their content


class Joiner:
    """Keeps a half until its other half arrives. Not thread-safe; the caller passes in the time.

    Args:
        seconds: Longest time that a half waits, and for which a returned pair is remembered.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: OrderedDict[_Key, tuple[float, Half]] = OrderedDict()
        self._waiting_bytes = 0
        # Keys whose halves were returned: the time until which each is remembered, and what arrived.
        self._left: OrderedDict[_Key, tuple[float, _Came]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Number of halves that wait."""
        return len(self._waiting)

    def take(self, half: Half, now: float) -> Joined:
        """Add *half* at *now*, monotonic seconds.

        A key that two predictions have is ambiguous: neither of their halves joins another.
        """
        key, told = (half.entity, half.key), (half.side, _content(half))
        if key in self._left:
            return self._after(key, half, told)
        found = self._waiting.get(key)
        if found is None:
            self._waiting[key] = (now + self._seconds, half)
            self._waiting_bytes += held(half)
            return Joined()
        other = found[1]
        earlier = (other.side, _content(other))
        if earlier == told:
            return Joined(repeated=True)
        self._let_go(key, now, frozenset({earlier, told}))
        if other.side is half.side:
            return Joined((alone(other), alone(half)), ambiguous=2)
        return Joined(((other, half) if half.side is Side.RESPONSE else (half, other),))

    def _after(self, key: _Key, half: Half, told: tuple[Side, int]) -> Joined:
        """Add a half whose key is no longer waited for."""
        until, came = self._left[key]
        if told in came:
            return Joined(repeated=True)
        if len(came) < MAX_CONTENTS:
            self._left[key] = (until, came | {told})
        is_ambiguous = any(side is half.side for side, _ in came)
        return Joined((alone(half),), ambiguous=int(is_ambiguous))

    def expired(self, now: float) -> list[Pair]:
        """Return halves that waited too long or do not fit, each as a pair with one half missing."""
        found: list[Pair] = []
        while self._waiting:
            key, (until, half) = next(iter(self._waiting.items()))
            full = len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES
            if until > now and not full:
                break
            self._let_go(key, now, frozenset({(half.side, _content(half))}))
            found.append(alone(half))
        while self._left:
            key, (until, _) = next(iter(self._left.items()))
            if until > now and len(self._left) <= MAX_REMEMBERED:
                break
            del self._left[key]
        return found

    def _let_go(self, key: _Key, now: float, came: _Came) -> None:
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


def _content(half: Half) -> int:
    """Return a hash of the body of a half; of a body over the cap only the size is known."""
    return hash((half.content_type, half.size, half.data))
