"""The doors of OTLP in: gRPC and HTTP (protobuf or JSON), for servers in the same pod."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from nilometer.export.exports import host_and_port
from nilometer.values.errors import ConfigError
from nilometer.wire.services import SERVER_OPTIONS
from nilometer_agent.sources.http_door import GRACE_SECONDS, THREADS, Door, Post, Reply
from nilometer_agent.sources.otlp.taker import MAX_BODY_BYTES, NotDurable, OtlpTaker
from nilometer_agent.sources.source import seconds_until

PROTOBUF, JSON = "application/x-protobuf", "application/json"
WHY = "not read: no usable entity, times or counts"


class _Metrics(MetricsServiceServicer):
    def __init__(self, taker: OtlpTaker) -> None:
        self._taker = taker

    def Export(  # noqa: N802  the contract's name
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        """Take, and say what was not read."""
        try:
            return _metrics_reply(self._taker.metrics(request))
        except NotDurable:
            _again(context)


class _Traces(TraceServiceServicer):
    def __init__(self, taker: OtlpTaker) -> None:
        self._taker = taker

    def Export(  # noqa: N802  as above
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take, and say what was not read."""
        try:
            return _trace_reply(self._taker.spans(request))
        except NotDurable:
            _again(context)


def _again(context: grpc.ServicerContext) -> NoReturn:
    context.abort(grpc.StatusCode.UNAVAILABLE, "not durable yet; try again")
    raise AssertionError("abort raises")


def _metrics_reply(refused: int) -> ExportMetricsServiceResponse:
    reply = ExportMetricsServiceResponse()
    if refused:
        reply.partial_success.rejected_data_points = refused
        reply.partial_success.error_message = WHY
    return reply


def _trace_reply(refused: int) -> ExportTraceServiceResponse:
    reply = ExportTraceServiceResponse()
    if refused:
        reply.partial_success.rejected_spans = refused
        reply.partial_success.error_message = WHY
    return reply


def _read(message: Any, body: bytes, media: str) -> None:
    """Fill *message*.

    JSON has identifiers as hexadecimal text, which is read as if it were base64: other bytes, but
    equal where they were equal, and nothing else is asked of them.
    """
    if media == JSON:
        json_format.Parse(body.decode(), message, ignore_unknown_fields=True)
    else:
        message.ParseFromString(body)


class OtlpServers:
    """Takes OTLP metrics and spans over gRPC and HTTP. A `Source`.

    Args:
        taker: Takes what comes.
        grpc_address: ``host:port``; empty opens none.
        http_address: ``host:port``; empty opens none.

    Raises:
        ConfigError: If an address cannot be bound.
    """

    name = "otlp"
    stop_seconds = 2.0

    def __init__(self, taker: OtlpTaker, grpc_address: str, http_address: str) -> None:
        self._grpc: grpc.Server | None = None
        self._http: Door | None = None
        self.grpc_port = self.http_port = 0
        self.edges = taker.edges
        if grpc_address:
            host, port = host_and_port(grpc_address)
            self._grpc = grpc.server(
                ThreadPoolExecutor(THREADS, "nilometer-otlp"),
                options=[*SERVER_OPTIONS, ("grpc.max_receive_message_length", MAX_BODY_BYTES)],
                maximum_concurrent_rpcs=4 * THREADS,
            )
            add_MetricsServiceServicer_to_server(_Metrics(taker), self._grpc)  # type: ignore[no-untyped-call]
            add_TraceServiceServicer_to_server(_Traces(taker), self._grpc)  # type: ignore[no-untyped-call]
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            try:
                self.grpc_port = self._grpc.add_insecure_port(shown)
            except RuntimeError as error:
                raise ConfigError(
                    f"otlp_in_grpc_address = {grpc_address!r}: cannot be bound"
                ) from error
        if http_address:
            self._http = Door("otlp_in_http_address", http_address, _taking(taker), MAX_BODY_BYTES)
            self.http_port = self._http.port

    def start(self) -> None:
        """Begin."""
        if self._grpc is not None:
            self._grpc.start()
        if self._http is not None:
            self._http.start()

    def stop(self, deadline: float) -> None:
        """Refuse what comes, and let requests under way end. Safe before `start`, and twice."""
        if self._grpc is not None:
            self._grpc.stop(GRACE_SECONDS).wait(seconds_until(deadline))
        if self._http is not None:
            self._http.stop(deadline)


def _taking(taker: OtlpTaker) -> Callable[[Post], Reply]:
    """What answers OTLP over HTTP."""

    def take(post: Post) -> Reply:
        if post.path not in {"/v1/metrics", "/v1/traces"}:
            return Reply(404, b"/v1/metrics, /v1/traces\n")
        media = post.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in {PROTOBUF, JSON}:
            return Reply(415, f"{PROTOBUF} or {JSON}\n".encode())
        try:
            if post.path == "/v1/metrics":
                metrics = ExportMetricsServiceRequest()
                _read(metrics, post.body, media)
                reply: Any = _metrics_reply(taker.metrics(metrics))
            else:
                spans = ExportTraceServiceRequest()
                _read(spans, post.body, media)
                reply = _trace_reply(taker.spans(spans))
        except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError):
            return Reply(400, b"not OTLP\n")
        except NotDurable:
            return Reply(503, b"not durable yet; try again\n")
        if media == JSON:
            return Reply(200, json_format.MessageToJson(reply).encode(), JSON)
        return Reply(200, reply.SerializeToString(), PROTOBUF)

    return take
