"""Edges of the pipeline, found in client and server spans: which entity reads from which."""

import ipaddress
import time
from collections import Counter as Tally
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from nilometer_agent.sources.otlp.places import Place, attributes_in, is_name

MAX_CALLS = 10_000  # client and server spans that wait for their other side
CALL_SECONDS = 30.0  # longest time that a span waits
MAX_EDGES = 1000
PEERS = ("peer.service", "service.peer.name", "server.address")


@dataclass(frozen=True, slots=True)
class _Call:
    """A span that waits for its other side."""

    entity: str
    peer: str  # the peer that a client named
    since: float  # monotonic


class Edges:
    """Counts calls by (entity, entity it reads from). The caller holds a lock.

    Args:
        left_out: Function that is called for each call that exceeds the limit and is not counted.
    """

    def __init__(self, left_out: Callable[[], None]) -> None:
        self._left_out = left_out
        self._clients: OrderedDict[tuple[bytes, bytes], _Call] = OrderedDict()
        self._servers: OrderedDict[tuple[bytes, bytes], _Call] = OrderedDict()
        self._calls_by_edge: Tally[tuple[str, str]] = Tally()

    def counted(self) -> dict[tuple[str, str], int]:
        """Return all counts since the start."""
        self._settle()
        return dict(self._calls_by_edge)

    def called(self, where: Place, span: Span) -> None:
        """Add a client span; it calls the entity of its server span, or else the peer it names."""
        told = attributes_in(span.attributes)
        peer = next((str(told[key]) for key in PEERS if told.get(key)), "")
        key = (span.trace_id, span.span_id)
        served = self._servers.pop(key, None) if span.span_id else None
        if served is not None:
            self._edge(where.entity, served.entity)
        else:
            self._clients[key] = _Call(where.entity, peer, time.monotonic())
        self._settle()

    def served(self, where: Place, span: Span) -> None:
        """Add a server span; the entity that called it reads from this entity."""
        if not span.parent_span_id:
            return
        key = (span.trace_id, span.parent_span_id)
        called = self._clients.pop(key, None)
        if called is not None:
            self._edge(called.entity, where.entity)
        else:
            self._servers[key] = _Call(where.entity, "", time.monotonic())
        self._settle()

    def _settle(self) -> None:
        """Count calls by their peer name if their server span did not arrive in time."""
        before = time.monotonic() - CALL_SECONDS
        for waiting in (self._clients, self._servers):
            while waiting:
                first = next(iter(waiting.values()))
                if len(waiting) <= MAX_CALLS and first.since > before:
                    break
                waiting.popitem(last=False)
                self._edge(first.entity, first.peer)

    def _edge(self, entity: str, source: str) -> None:
        if not source or entity == source or _is_address(source) or not is_name(source):
            return
        edge = (entity, source)
        if edge in self._calls_by_edge or len(self._calls_by_edge) < MAX_EDGES:
            self._calls_by_edge[edge] += 1
        else:
            self._left_out()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
