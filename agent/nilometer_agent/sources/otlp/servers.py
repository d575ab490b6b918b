"""The servers that receive OTLP from the same pod, over gRPC and HTTP (protobuf or JSON)."""

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nilometer_agent.sources.http_server import HttpServer, Post, Reply
from nilometer_agent.sources.otlp.grpc_server import OtlpGrpc
from nilometer_agent.sources.otlp.otlp_receiver import MAX_BODY_BYTES, NotDurable, OtlpReceiver
from nilometer_agent.sources.otlp.replies import metrics_reply, trace_reply
from nilometer_agent.sources.source import seconds_until

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def _read(message: Any, body: bytes, media: str) -> None:
    """Fill *message* from the body of a request.

    JSON writes identifiers as hexadecimal text, which is read as base64 here. The bytes differ, but
    equal identifiers stay equal, and only that matters.
    """
    if media == JSON:
        json_format.Parse(body.decode(), message, ignore_unknown_fields=True)
    else:
        message.ParseFromString(body)


class OtlpServers:
    """Receives OTLP metrics and spans over gRPC and HTTP. A `Source`.

    Args:
        receiver: Receiver of the requests.
        grpc_address: ``host:port``; empty opens no port for gRPC.
        http_address: ``host:port``; empty opens no port for HTTP.
        by_address: Whether clients can be told apart by their addresses.

    Raises:
        ConfigError: If an address cannot be bound.
    """

    name = "otlp"
    stop_seconds = 2.0

    def __init__(
        self,
        receiver: OtlpReceiver,
        grpc_address: str,
        http_address: str,
        *,
        by_address: bool = False,
    ) -> None:
        self._grpc: OtlpGrpc | None = None
        self._http: HttpServer | None = None
        self.edges = receiver.edges
        if grpc_address:
            self._grpc = OtlpGrpc(receiver, grpc_address, by_address=by_address)
        if http_address:
            self._http = HttpServer(
                "otlp_in_http_address",
                http_address,
                _answering(receiver),
                MAX_BODY_BYTES,
                by_address=by_address,
            )

    @property
    def grpc_port(self) -> int:
        """The gRPC port in use, once started; 0 if there is none."""
        return self._grpc.port if self._grpc is not None else 0

    @property
    def http_port(self) -> int:
        """The HTTP port in use; 0 if there is none."""
        return self._http.port if self._http is not None else 0

    def start(self) -> None:
        """Start both servers.

        Raises:
            ConfigError: If the gRPC address cannot be bound.
        """
        if self._grpc is not None:
            self._grpc.start()
        if self._http is not None:
            self._http.start()

    def stop(self, deadline: float) -> None:
        """Refuse new requests, and finish those in progress.

        May be called before `start`, and twice.
        """
        if self._grpc is not None:
            self._grpc.stop(seconds_until(deadline))
        if self._http is not None:
            self._http.stop(deadline)


def _answering(receiver: OtlpReceiver) -> Callable[[Post], Reply]:
    """Return the function that answers OTLP over HTTP."""

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
                reply: Any = metrics_reply(receiver.metrics(metrics))
            else:
                spans = ExportTraceServiceRequest()
                _read(spans, post.body, media)
                reply = trace_reply(receiver.spans(spans))
        except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError):
            return Reply(400, b"not OTLP\n")
        except NotDurable:
            return Reply(503, b"not durable yet; try again\n")
        if media == JSON:
            return Reply(200, json_format.MessageToJson(reply).encode(), JSON)
        return Reply(200, reply.SerializeToString(), PROTOBUF)

    return take
