"""What is known of a pipeline at one time. Times are Unix nanoseconds, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nilometer.alert import AlertStatus
from nilometer.causes.graph import Flow
from nilometer.profile import Coverage
from nilometer_collector.pipeline.calls import Call
from nilometer_collector.pipeline.handover import Finding
from nilometer_collector.store import EntityKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The requests of an entity in its newest minutes.

    Attributes:
        requests: Number of requests.
        rate: Requests per second.
        error_ratio: Share of requests that failed, 0 to 1; None without requests.
        latency_p99: 99th percentile of the latency, in seconds; None without requests.
        coverage: What happened to every request.
        unknown_callers: Requests whose parent header names an entity that does not exist.
    """

    requests: int
    rate: float
    error_ratio: float | None
    latency_p99: float | None
    coverage: Coverage
    unknown_callers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The open episodes of an entity.

    Attributes:
        episodes: Number of open episodes.
        onset_ns: Start of the earliest drift or breach.
        evidence: Summary and evidence of the episode that began first.
    """

    episodes: int
    onset_ns: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An entity of the pipeline.

    Attributes:
        kind: What it is.
        health: Health of the entity, as in the list of entities.
        watched: Status of the default alerter; None before its first status.
        sentence: Reason of that status in words; may be empty.
        alarm: Open episodes; None without any.
        service: Requests; None without any.
        last_ns: End of the newest window; None without data.
    """

    name: str
    kind: EntityKind
    health: AlertStatus
    watched: AlertStatus | None
    sentence: str
    alarm: Alarm | None
    service: Service | None
    last_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The comparison of both ends of an edge over the same windows.

    Attributes:
        columns: Number of columns that both sides have.
        start_ns: Start of the compared windows.
        end_ns: End of the compared windows.
        findings: Columns that differ.
        why: Reason why nothing was compared; else empty.
    """

    columns: int = 0
    start_ns: int = 0
    end_ns: int = 0
    findings: tuple[Finding, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An edge: *flow.reader* reads from *flow.source*.

    Attributes:
        declared: Whether a user declared it.
        call: Observed requests between both entities, in either direction; None without any.
        compared: Comparison of what was sent and received.
    """

    flow: Flow
    declared: bool
    call: Call | None
    compared: Compared = field(default_factory=Compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The whole pipeline at one time.

    Attributes:
        nodes: Entities by name, in the order of the names.
        edges: Edges in the order of reader and source.
        nodes_left_out: Number of entities over the limit.
        edges_left_out: Number of edges over the limit.
        taken_ns: Time of the picture.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    nodes_left_out: int
    edges_left_out: int
    taken_ns: int
