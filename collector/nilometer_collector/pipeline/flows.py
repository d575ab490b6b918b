"""Decides which edges a pipeline has, from declarations and observed calls."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from nilometer.causes.graph import Flow
from nilometer.values.entity import Role
from nilometer_collector.pipeline.calls import Call

MOST_EDGES = 500  # edges of one pipeline; learned ones with the smallest shares are left out first

_SENT, _RECEIVED = f"{Role.OUTPUT.value}.", f"{Role.INPUT.value}."


class Column(NamedTuple):
    """One column on an edge: a summary of the source, and one of the reader."""

    sent: str
    received: str


class Flows(NamedTuple):
    """The edges of a pipeline.

    Attributes:
        declared: Edges that users declared.
        calls: Observed call on each edge, declared or not.
        left_out: Number of edges over the limit.
    """

    declared: frozenset[Flow]
    calls: Mapping[Flow, Call]
    left_out: int


def flows_of(
    declared: Collection[Flow], calls: Sequence[Call], summaries: Mapping[str, Collection[str]]
) -> Flows:
    """Return all edges. A call never changes a declared edge, and confirms it in either direction.

    A caller usually hands its output to the entity that it calls, so that entity reads from the caller.
    If only the columns of the other direction match, the caller reads the response instead.

    Args:
        declared: Edges that users declared.
        calls: Observed calls.
        summaries: Names of the summaries of each entity.
    """
    kept = frozenset(sorted(declared)[:MOST_EDGES])
    found: dict[Flow, Call] = {}
    learned: list[tuple[Flow, Call]] = []
    for call in calls:
        onward, back = Flow(call.caller, call.callee), Flow(call.callee, call.caller)
        known = [one for one in (onward, back) if one in declared]
        if known:
            if known[0] in kept:
                found[known[0]] = _busier(found.get(known[0]), call)
            continue
        ours, theirs = summaries.get(call.caller, ()), summaries.get(call.callee, ())
        reads_response = columns_of(theirs, ours) and not columns_of(ours, theirs)
        learned.append((back if reads_response else onward, call))
    learned.sort(key=lambda item: (-item[1].share, item[0]))
    room = MOST_EDGES - len(kept)
    for flow, call in learned[:room]:
        found[flow] = _busier(found.get(flow), call)
    left_out = len(declared) - len(kept) + max(len(learned) - room, 0)
    return Flows(kept, found, left_out)


def columns_of(
    sent: Collection[str], received: Collection[str], declared: Mapping[str, str] | None = None
) -> list[Column]:
    """Return the columns of an edge: declared ones, and outputs with the names of inputs.

    Args:
        sent: Summaries of the source.
        received: Summaries of the reader.
        declared: Summary of the source by that of the reader, where their names differ.
    """
    renamed = declared or {}
    found = [Column(ours, own) for own, ours in sorted(renamed.items()) if ours in sent]
    received = {*received} - renamed.keys()
    outputs = {one.removeprefix(_SENT) for one in sent if one.startswith(_SENT)}
    inputs = {one.removeprefix(_RECEIVED) for one in received if one.startswith(_RECEIVED)}
    return found + [Column(_SENT + name, _RECEIVED + name) for name in sorted(outputs & inputs)]


def _busier(one: Call | None, other: Call) -> Call:
    """Return the call with the larger share, of two between the same entities."""
    return other if one is None or other.share > one.share else one
