"""The whole pipeline: its entities, its edges, and which entity moved first."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec

from nilometer.causes.graph import FirstMover, Graph, first_movers
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.access.rights import Access
from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.resources.entities import Kind
from nilometer_collector.pipeline import calls as observed
from nilometer_collector.pipeline.records import Compared, Edge, Node, Picture

MOST_FOLLOWERS = 5  # followers that a sentence names

FaultName: TypeAlias = Literal["type", "missing", "default", "unit", "rounded", "distribution"]


class PipelineNode(msgspec.Struct, frozen=True, kw_only=True):
    """An entity of the pipeline, with the health of its service and of its data."""

    name: str
    kind: Kind
    health: Health  # as in the list of entities
    watched: Health | None  # status of the default alerter; null before its first status
    sentence: str  # reason of that status in words; may be empty
    open_episodes: int
    onset: float | None  # start of the earliest open drift or breach; null without one
    evidence: str  # evidence of that episode; empty without one
    requests: int  # in the newest 15 minutes with data, as the figures below
    requests_per_second: float | None  # null without requests
    error_ratio: float | None
    latency_p99_seconds: float | None
    profiled_ratio: float | None  # share of predictions that are in the profiles; null without any
    unknown_callers: int  # requests whose parent header names an entity that does not exist
    last_seen: float | None  # end of the newest window; null without data


class PipelineCall(msgspec.Struct, frozen=True, kw_only=True):
    """Observed requests between the two entities of an edge."""

    caller: str
    evidence: Literal["header", "traces"]
    requests: int  # requests that name the caller, or sampled traces that show it
    share: float  # share of the called entity's requests, 0 to 1; an estimate for traces
    last_seen: float  # end of the newest window with such a request


class PipelineFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between what one entity sent and what the other received."""

    fault: FaultName
    sent: str  # summary of the source
    received: str  # summary of the reader
    sentence: str


class PipelineEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge: one entity reads from another."""

    source: str
    reader: str
    declared: bool  # whether a user declared it; else it is learned
    call: PipelineCall | None  # null if no request was observed
    columns: int  # columns that were compared
    compared_from: float | None  # start of the compared windows; null if nothing was compared
    compared_to: float | None
    findings: list[PipelineFinding]
    why: str  # reason why nothing was compared; else empty


class PipelineMover(msgspec.Struct, frozen=True, kw_only=True):
    """An alarmed entity without an alarm upstream."""

    entity: str
    onset: float
    followers: list[str]  # alarmed entities downstream of it, by onset
    sentence: str


class PipelineView(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline as it was a few seconds ago."""

    nodes: list[PipelineNode]
    edges: list[PipelineEdge]
    first_movers: list[PipelineMover]  # earliest onset first
    cycles: list[list[str]]  # groups of entities that read from each other, from learned edges
    nodes_left_out: int  # entities over the limit; 0 if the caller may not read all
    edges_left_out: int  # edges over the limit; 0 as above
    taken: float


async def read_pipeline(call: Call) -> PipelineView:
    """Return the entities that the caller may read, and the edges between them."""
    picture = await call.context.ask(call.context.pipeline.picture)
    return pipeline_view(picture, call.access)


def pipeline_view(picture: Picture, access: Access) -> PipelineView:
    """Return the part of *picture* that a caller with *access* may read."""
    may, is_whole = access.may, access.is_unlimited
    nodes = {name: one for name, one in picture.nodes.items() if may(name)}
    edges = [one for one in picture.edges if one.flow.source in nodes and one.flow.reader in nodes]
    graph = Graph.of(one.flow for one in edges)
    alarms = {name: one.alarm.onset_ns for name, one in nodes.items() if one.alarm is not None}
    movers = first_movers(graph, alarms)
    return PipelineView(
        nodes=[_node_view(one) for one in nodes.values()],
        edges=[_edge_view(one) for one in edges],
        first_movers=[_mover_view(one, nodes) for one in movers],
        cycles=graph.cycles(),
        nodes_left_out=picture.nodes_left_out if is_whole else 0,
        edges_left_out=picture.edges_left_out if is_whole else 0,
        taken=seconds(picture.taken_ns),
    )


def _node_view(node: Node) -> PipelineNode:
    alarm, service = node.alarm, node.service
    coverage = None if service is None or not service.coverage.seen else service.coverage
    return PipelineNode(
        name=node.name,
        kind=node.kind.value,
        health=node.health.value,
        watched=None if node.watched is None else node.watched.value,
        sentence=node.sentence,
        open_episodes=0 if alarm is None else alarm.episodes,
        onset=None if alarm is None else seconds(alarm.onset_ns),
        evidence="" if alarm is None else alarm.evidence,
        requests=0 if service is None else service.requests,
        requests_per_second=None if service is None else service.rate,
        error_ratio=None if service is None else service.error_ratio,
        latency_p99_seconds=None if service is None else service.latency_p99,
        profiled_ratio=None if coverage is None else coverage.profiled / coverage.seen,
        unknown_callers=0 if service is None else service.unknown_callers,
        last_seen=None if node.last_ns is None else seconds(node.last_ns),
    )


def _edge_view(edge: Edge) -> PipelineEdge:
    compared = edge.compared
    return PipelineEdge(
        source=edge.flow.source,
        reader=edge.flow.reader,
        declared=edge.declared,
        call=None if edge.call is None else _call_view(edge.call),
        columns=compared.columns,
        compared_from=seconds(compared.start_ns) if compared.columns else None,
        compared_to=seconds(compared.end_ns) if compared.columns else None,
        findings=_findings(compared),
        why=compared.why,
    )


def _call_view(call: observed.Call) -> PipelineCall:
    return PipelineCall(
        caller=call.caller,
        evidence=call.evidence.value,
        requests=call.requests,
        share=call.share,
        last_seen=seconds(call.last_ns),
    )


def _findings(compared: Compared) -> list[PipelineFinding]:
    return [
        PipelineFinding(
            fault=one.fault.value, sent=one.sent, received=one.received, sentence=one.sentence
        )
        for one in compared.findings
    ]


def _mover_view(mover: FirstMover, nodes: Mapping[str, Node]) -> PipelineMover:
    alarm = nodes[mover.entity].alarm
    return PipelineMover(
        entity=mover.entity,
        onset=seconds(mover.onset_ns),
        followers=list(mover.followers),
        sentence=_sentence(mover, "" if alarm is None else alarm.evidence),
    )


def _sentence(mover: FirstMover, evidence: str) -> str:
    """Return who moved first, since when, and who followed."""
    since = datetime.fromtimestamp(mover.onset_ns // NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M")
    said = f"{mover.entity} moved first, since {since} UTC"
    said += f": {evidence.removesuffix('.')}." if evidence else "."
    if not mover.followers:
        return said
    named = list(mover.followers[:MOST_FOLLOWERS])
    more = len(mover.followers) - len(named)
    named += [f"{more} more"] if more else []
    text = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{said} Downstream of it, {text} followed."


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/pipeline",
        name="readPipeline",
        about="Read the graph of all entities with their health, their edges, and who moved first.",
        handler=read_pipeline,
        answer=PipelineView,
    ),
)
