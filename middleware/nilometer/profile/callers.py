"""The callers of an entity: entities named in a header, and a sample of the requests' traces.

The sample is coordinated. Every entity hashes trace ids in the same way and keeps the smallest hashes,
so two entities of one pipeline keep mostly the same traces, without any exchange between their
agents. A trace that both have kept shows which of them called the other: the request of the called
entity lies inside that of its caller.

Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.coverage import Counts, added
from nilometer.values.entity import NAME

MOST_NAMES = 32  # callers with a count of their own, in one window
MOST_TRACES = 16  # traces kept of one window, about 20 bytes each on the wire
EVERY_HASH = 1 << 64  # bound of the hashes if no trace was left out
_LOW = slice(19, 35)  # place of the low half of the trace id in a W3C traceparent
_LOW_BYTES = 8


# One request with a trace: its W3C ``traceparent`` header, its arrival in Unix nanoseconds, and its
# latency in seconds. It is a plain tuple, because one is made for every such request.
Called: TypeAlias = tuple[str, int, float]


class Trace(NamedTuple):
    """One trace of the sample.

    Attributes:
        hash: Hash of the trace id, 64 bits.
        start_us: Arrival of its first request, in Unix microseconds.
        duration_us: Duration of that request, in microseconds.
    """

    hash: int
    start_us: int
    duration_us: int

    @property
    def end_us(self) -> int:
        """End of the response, in Unix microseconds."""
        return self.start_us + self.duration_us


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers of one entity, labels and window; merging gives the same bits in any order.

    Attributes:
        named: Number of requests by the name in the parent header, at most `MOST_NAMES` names.
        others: Number of requests whose header names no entity, or a rarer one than those in `named`.
        traced: Number of requests with a trace id.
        traces: Traces with the smallest hashes, ascending, at most `MOST_TRACES`; one request each.
    """

    named: Counts = field(default_factory=dict)
    others: int = 0
    traced: int = 0
    traces: tuple[Trace, ...] = ()

    @classmethod
    def of(cls, named: Mapping[str, int], called: Sequence[Called]) -> Self:
        """Return the callers of a batch of requests.

        Args:
            named: Number of requests by the text of the parent header.
            called: Requests with a ``traceparent`` header; malformed headers are left out.
        """
        valid = {name: count for name, count in named.items() if NAME.fullmatch(name)}
        refused = sum(named.values()) - sum(valid.values())
        kept, hashes = _hashed(called)
        smallest, first = np.unique(hashes, return_index=True)
        if smallest.size and not smallest[0]:  # no valid trace id is 0; unrelated requests share it
            smallest, first = smallest[1:], first[1:]
        chosen = zip(smallest[:MOST_TRACES].tolist(), first[:MOST_TRACES].tolist(), strict=True)
        traces = tuple(_trace(hashed, kept[at]) for hashed, at in chosen)
        return cls._bounded(valid, refused, int(np.count_nonzero(hashes)), traces)

    @classmethod
    def _bounded(
        cls, named: Mapping[str, int], others: int, traced: int, traces: tuple[Trace, ...]
    ) -> Self:
        """Return callers with the most frequent names only."""
        if len(named) > MOST_NAMES:
            ranked = sorted(named.items(), key=lambda item: (-item[1], item[0]))
            others += sum(count for _, count in ranked[MOST_NAMES:])
            named = dict(ranked[:MOST_NAMES])
        return cls(dict(named), others, traced, traces)

    def __bool__(self) -> bool:
        """Whether any request named a caller or had a trace."""
        return bool(self.named or self.others or self.traced)

    @property
    def bound(self) -> int:
        """Smallest hash that the sample may lack; all traces with a smaller one are in it."""
        return self.traces[-1].hash if len(self.traces) == MOST_TRACES else EVERY_HASH

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Return the callers of all requests."""
        found = [part for part in parts if part]
        named: Counts = {}
        earliest: dict[int, Trace] = {}
        for part in found:
            named = added(named, part.named)
            for trace in part.traces:
                earliest[trace.hash] = min(trace, earliest.get(trace.hash, trace))
        return cls._bounded(
            named,
            sum(part.others for part in found),
            sum(part.traced for part in found),
            tuple(sorted(earliest.values())[:MOST_TRACES]),
        )

    def coarsened(self, fewest: int) -> Self:
        """Return the callers with at least *fewest* requests, without traces of single requests."""
        named = {name: count for name, count in self.named.items() if count >= fewest}
        hidden = sum(self.named.values()) - sum(named.values())
        return type(self)(named, self.others + hidden, self.traced)


NO_CALLERS = Callers()


def _trace(hashed: int, called: Called) -> Trace:
    _, start_ns, latency = called
    return Trace(hashed, start_ns // 1000, round(latency * 1e6))


def _hashed(called: Sequence[Called]) -> tuple[Sequence[Called], NDArray[np.uint64]]:
    """Return the requests with a valid trace id, and the hashes of these ids, shape (n,).

    Only the low half of an id is hashed, because some tracers put the time into the high half.
    """
    packed = _packed(called)
    if len(packed) != _LOW_BYTES * len(called):
        called = [one for one in called if len(_packed([one])) == _LOW_BYTES]
        packed = _packed(called)
    return called, _mixed(np.frombuffer(packed, dtype=">u8").astype(np.uint64))


def _packed(called: Sequence[Called]) -> bytes:
    """Return the low halves of the trace ids; fewer bytes if an id is malformed."""
    try:
        return bytes.fromhex("".join([header[_LOW] for header, _, _ in called]))
    except ValueError:
        return b""


def _mixed(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a permutation of 64-bit numbers that looks random (the finalizer of splitmix64)."""
    ids = (ids ^ (ids >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    ids = (ids ^ (ids >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ids ^ (ids >> np.uint64(31))
