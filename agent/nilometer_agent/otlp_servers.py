"""The doors of OTLP in: gRPC and HTTP (protobuf or JSON), for servers in the same pod."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

from nilometer.errors import ConfigError
from nilometer.export.exports import host_and_port
from nilometer.wire.services import SERVER_OPTIONS
from nilometer_agent.otlp_in import MAX_BODY_BYTES, NotDurable, OtlpIn, unpacked

THREADS = 4  # calls at once over each door
TIMEOUT_SECONDS = 10.0  # for a request to come in
AGAIN_SECONDS = "1"  # after which a sender shall try again
PROTOBUF, JSON = "application/x-protobuf", "application/json"
WHY = "not read: no usable entity, times or counts"

log = logging.getLogger("nilometer.agent")


class _Metrics(MetricsServiceServicer):
    def __init__(self, taker: OtlpIn) -> None:
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
    def __init__(self, taker: OtlpIn) -> None:
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
    """`start`, then `stop`.

    Args:
        taker: Takes what comes.
        grpc_address: ``host:port``; empty opens none.
        http_address: ``host:port``; empty opens none.

    Raises:
        ConfigError: If an address cannot be bound.
    """

    def __init__(self, taker: OtlpIn, grpc_address: str, http_address: str) -> None:
        self._grpc: grpc.Server | None = None
        self._http: _Server | None = None
        self._thread: threading.Thread | None = None
        self.grpc_port = self.http_port = 0
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
                raise _unbound("otlp_in_grpc_address", grpc_address) from error
        if http_address:
            try:
                self._http = _Server(host_and_port(http_address), taker)
            except OSError as error:
                raise _unbound("otlp_in_http_address", http_address) from error
            self.http_port = int(self._http.server_address[1])
            self._thread = threading.Thread(
                target=self._http.serve_forever,
                kwargs={"poll_interval": 0.1},
                name="nilometer-otlp-http",
                daemon=True,
            )

    def start(self) -> None:
        """Begin."""
        if self._grpc is not None:
            self._grpc.start()
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """Refuse what comes. Safe before `start`, and twice."""
        if self._grpc is not None:
            self._grpc.stop(0.5).wait(2.0)
        if self._http is not None:
            if self._thread is not None and self._thread.is_alive():
                self._http.shutdown()
            self._http.server_close()


def _unbound(key: str, address: str) -> ConfigError:
    return ConfigError(f"{key} = {address!r}: cannot be bound")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], taker: OtlpIn) -> None:
        self.taker = taker
        self.slots = threading.BoundedSemaphore(THREADS)
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One who goes away is no fault of ours."""
        del request, client_address
        log.debug("an OTLP request ended early")


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_SECONDS
    server_version = "nilometer"
    sys_version = ""
    server: _Server

    def do_POST(self) -> None:
        """Take a request."""
        with self.server.slots:
            status, body, why = self._take()
        self.send_response(status)
        if status == 503:
            self.send_header("retry-after", AGAIN_SECONDS)
        media = JSON if body[:1] == b"{" else PROTOBUF
        self.send_header("content-type", "text/plain" if why else media)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _take(self) -> tuple[int, bytes, bool]:
        """Status, body, and whether the body is a reason."""
        path = self.path.partition("?")[0]
        if path not in {"/v1/metrics", "/v1/traces"}:
            return 404, b"/v1/metrics, /v1/traces\n", True
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in {PROTOBUF, JSON}:
            return 415, f"{PROTOBUF} or {JSON}\n".encode(), True
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit():
            return 411, b"content-length is needed\n", True
        if int(length) > MAX_BODY_BYTES:
            return 413, b"too large\n", True
        body = unpacked(self.rfile.read(int(length)), self.headers.get("content-encoding", ""))
        if body is None:
            return 400, b"content encoding is unknown, broken or too large\n", True
        taker = self.server.taker
        try:
            if path == "/v1/metrics":
                metrics = ExportMetricsServiceRequest()
                _read(metrics, body, media)
                reply: Any = _metrics_reply(taker.metrics(metrics))
            else:
                spans = ExportTraceServiceRequest()
                _read(spans, body, media)
                reply = _trace_reply(taker.spans(spans))
        except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError):
            return 400, b"not OTLP\n", True
        except NotDurable:
            return 503, b"not durable yet; try again\n", True
        if media == JSON:
            return 200, json_format.MessageToJson(reply).encode(), False
        return 200, reply.SerializeToString(), False

    def log_message(self, *_: object) -> None:
        """A request is no news."""
