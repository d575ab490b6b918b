"""Learns which entity calls which, from the callers that the entities' own agents observed.

A header names the caller of a request: those calls are counted. Without it, traces tell. Every entity
keeps the same small sample of traces (`nilometer.profile.callers`). If the requests of one trace at
two entities lie one inside the other, the outer entity called the inner one, directly or through
others. The innermost of the outer entities is the caller.

A front end may call two entities one after the other, or at the same time, in one trace. Such requests
lie inside one another only by chance. So a pair counts only if `NESTED` of its common traces agree.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from nilometer.profile.callers import EVERY_HASH, Callers, Trace
from nilometer.values.window import Window

NESTED = 0.8  # share of the common traces in which the callee's request lies inside the caller's
FEWEST_TRACES = 3  # fewest traces that show a call
MOST_ENTITIES = 64  # entities that one trace may go through; traces with more are left out
SKEW_US = 5_000  # difference of two pods' clocks that is tolerated, at most half a request


class Evidence(Enum):
    """The source of a learned call; a closed set."""

    HEADER = "header"
    TRACES = "traces"


class Seen(NamedTuple):
    """The requests of one entity in one window."""

    window: Window
    requests: int
    callers: Callers


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Requests from one entity to another.

    Attributes:
        caller: Entity that sends the requests.
        callee: Entity that answers them.
        evidence: Source of this knowledge.
        requests: Number of requests that name the caller, or of sampled traces that show it.
        share: Share of the callee's requests that come from the caller, 0 to 1; an estimate for
            traces.
        last_ns: End of the newest window with such a request, Unix nanoseconds.
    """

    caller: str
    callee: str
    evidence: Evidence
    requests: int
    share: float
    last_ns: int


def calls_in(seen: Mapping[str, Sequence[Seen]]) -> list[Call]:
    """Return all calls that *seen* shows, by callee, largest share first.

    Args:
        seen: Windows of each entity. A caller outside of it is not returned.
    """
    named = {(one.caller, one.callee): one for one in _named_calls(seen)}
    traced = {(one.caller, one.callee): one for one in _traced_calls(seen)}
    found = (traced | named).values()
    return sorted(found, key=lambda one: (one.callee, -one.share, one.caller))


def _named_calls(seen: Mapping[str, Sequence[Seen]]) -> list[Call]:
    """Return the calls that a header names."""
    found = []
    for callee, windows in seen.items():
        requests: Counter[str] = Counter()
        last: dict[str, int] = {}
        for one in windows:
            for name, count in one.callers.named.items():
                requests[name] += count
                last[name] = max(last.get(name, 0), one.window.end_ns)
        total = max(sum(one.requests for one in windows), sum(requests.values()))
        found += [
            Call(
                caller=name,
                callee=callee,
                evidence=Evidence.HEADER,
                requests=count,
                share=count / total,
                last_ns=last[name],
            )
            for name, count in requests.items()
            if name in seen and count
        ]
    return found


def _traced_calls(seen: Mapping[str, Sequence[Seen]]) -> list[Call]:
    """Return the calls that traces show."""
    samples = {entity: _Sample(windows) for entity, windows in seen.items()}
    entities_of: dict[int, list[str]] = {}
    for entity, sample in samples.items():
        for hashed in sample.traces:
            entities_of.setdefault(hashed, []).append(entity)
    outer = _callers_by_traces(samples, entities_of)
    found = []
    for callee, callers in outer.items():
        direct: Counter[str] = Counter()
        last: dict[str, int] = {}
        usable = 0
        for hashed, trace in samples[callee].traces.items():
            # A trace above the bound of a possible caller may be missing from its sample by chance.
            if hashed > min(samples[one].bound_at(trace.start_us) for one in callers):
                continue
            usable += 1
            held = [(samples[one].traces[hashed], one) for one in callers & {*entities_of[hashed]}]
            inside = [(one.duration_us, name) for one, name in held if _is_inside(trace, one)]
            if inside:
                name = min(inside)[1]
                direct[name] += 1
                last[name] = max(last.get(name, 0), samples[callee].end_of(trace))
        found += [
            Call(
                caller=name,
                callee=callee,
                evidence=Evidence.TRACES,
                requests=count,
                share=count / usable,
                last_ns=last[name],
            )
            for name, count in direct.items()
            if count >= FEWEST_TRACES
        ]
    return found


def _callers_by_traces(
    samples: Mapping[str, "_Sample"], entities_of: Mapping[int, Sequence[str]]
) -> dict[str, set[str]]:
    """Return the entities inside whose requests those of each entity regularly lie."""
    common: Counter[tuple[str, str]] = Counter()
    nested: Counter[tuple[str, str]] = Counter()
    for hashed, entities in entities_of.items():
        if not 1 < len(entities) <= MOST_ENTITIES:
            continue
        for outer in entities:
            for inner in entities:
                if inner != outer:
                    inside = _is_inside(
                        samples[inner].traces[hashed], samples[outer].traces[hashed]
                    )
                    common[outer, inner] += 1
                    nested[outer, inner] += inside
    found: dict[str, set[str]] = {}
    for (outer, inner), count in nested.items():
        if count >= max(FEWEST_TRACES, NESTED * common[outer, inner]):
            found.setdefault(inner, set()).add(outer)
    return found


def _is_inside(inner: Trace, outer: Trace) -> bool:
    """Return whether one request lies inside another that takes longer."""
    skew = min(SKEW_US, inner.duration_us // 2)
    return (
        inner.duration_us < outer.duration_us
        and outer.start_us <= inner.start_us + skew
        and inner.end_us <= outer.end_us + skew
    )


class _Sample:
    """The sampled traces of one entity over all windows.

    Attributes:
        traces: First request of each trace, by its hash.
    """

    def __init__(self, windows: Sequence[Seen]) -> None:
        self.traces: dict[int, Trace] = {}
        bounds: dict[tuple[int, int], int] = {}
        for one in windows:
            for trace in one.callers.traces:
                self.traces[trace.hash] = min(trace, self.traces.get(trace.hash, trace))
            if one.callers.bound < EVERY_HASH:
                span = one.window.start_ns // 1000, one.window.end_ns // 1000
                bounds[span] = min(one.callers.bound, bounds.get(span, EVERY_HASH))
        self._bounds = sorted((*span, bound) for span, bound in bounds.items())
        self._longest = max((end - start for start, end, _ in self._bounds), default=0)
        self._ends = sorted({one.window.end_ns for one in windows})

    def bound_at(self, at_us: int) -> int:
        """Return the hash up to which the sample has every trace of this time."""
        first = bisect_left(self._bounds, (at_us - self._longest,))
        last = bisect_left(self._bounds, (at_us + 1,))
        around = self._bounds[first:last]
        return min((bound for _, end, bound in around if at_us < end), default=EVERY_HASH)

    def end_of(self, trace: Trace) -> int:
        """Return the end of the window of *trace*, Unix nanoseconds."""
        start_ns = trace.start_us * 1000
        return next((end for end in self._ends if end > start_ns), self._ends[-1])
