"""The gRPC services and their messages, in a module that does not need numpy."""

import grpc

from nilometer.v1.agent_pb2 import (
    CaptureAcknowledgement,
    CaptureBatch,
    CaptureCost,
    CaptureRefusal,
    EntityStatus,
    FlushReply,
    FlushRequest,
    Judgement,
    StatusReply,
    StatusRequest,
)
from nilometer.v1.agent_pb2_grpc import (
    AgentServiceServicer,
    AgentServiceStub,
    add_AgentServiceServicer_to_server,
)
from nilometer.v1.alert_pb2 import Reference
from nilometer.v1.collector_pb2 import (
    GetPlanRequest,
    Plan,
    PutReferenceReply,
    Row,
    ShipReply,
    ShipRequest,
)
from nilometer.v1.collector_pb2_grpc import (
    CollectorServiceServicer,
    CollectorServiceStub,
    add_CollectorServiceServicer_to_server,
)

# The options of every channel, each with the reason.
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_http_proxy", 0),  # no proxy from the environment, even for loopback
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),  # by default a reconnect takes 4 to 7 s
    ("grpc.max_receive_message_length", 4 << 20),
)
# The options of every server.
SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # binding a used port must fail instead of sharing the port
    ("grpc.max_receive_message_length", 4 << 20),
)


def agent_stub(channel: grpc.Channel) -> AgentServiceStub:
    """Return a client for the agent's methods over *channel*."""
    return AgentServiceStub(channel)  # type: ignore[no-untyped-call]  # generated without types


def collector_stub(channel: grpc.Channel) -> CollectorServiceStub:
    """Return a client for the collector's methods over *channel*."""
    return CollectorServiceStub(channel)  # type: ignore[no-untyped-call]  # as above


def serve_agent(servicer: AgentServiceServicer, server: grpc.Server) -> None:
    """Add *servicer*, which implements the agent's methods, to *server*."""
    add_AgentServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # as above


def serve_collector(servicer: CollectorServiceServicer, server: grpc.Server) -> None:
    """Add *servicer*, which implements the collector's methods, to *server*."""
    add_CollectorServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # as above


__all__ = [
    "CHANNEL_OPTIONS",
    "SERVER_OPTIONS",
    "AgentServiceServicer",
    "AgentServiceStub",
    "CaptureAcknowledgement",
    "CaptureBatch",
    "CaptureCost",
    "CaptureRefusal",
    "CollectorServiceServicer",
    "CollectorServiceStub",
    "EntityStatus",
    "FlushReply",
    "FlushRequest",
    "GetPlanRequest",
    "Judgement",
    "Plan",
    "PutReferenceReply",
    "Reference",
    "Row",
    "ShipReply",
    "ShipRequest",
    "StatusReply",
    "StatusRequest",
    "add_AgentServiceServicer_to_server",
    "add_CollectorServiceServicer_to_server",
    "agent_stub",
    "collector_stub",
    "serve_agent",
    "serve_collector",
]
