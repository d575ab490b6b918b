"""OTLP receivers that record requests and send replies that a test chooses."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)


def metrics_of(request: ExportMetricsServiceRequest) -> dict[str, Any]:
    """Return the metrics of one request, by name."""
    return {
        metric.name: metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def attributes(point: Any) -> dict[str, Any]:
    """Return the attributes of a point or a resource."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in point.attributes}


class GrpcReceiver(MetricsServiceServicer):
    def __init__(self, port: int = 0) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.reply = ExportMetricsServiceResponse()
        self.refuse: grpc.StatusCode | None = None  # status of all replies, if set
        self.token = ""  # required token, if set; other requests are unauthenticated
        self.server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        add_MetricsServiceServicer_to_server(self, self.server)  # type: ignore[no-untyped-call]
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def Export(
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        if self.refuse is not None:
            context.abort(self.refuse, "told to")
        told = dict(context.invocation_metadata())
        if self.token and told.get("authorization") != self.token:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        self.metadata.append(told)
        self.requests.append(request)
        return self.reply

    def stop(self) -> None:
        self.server.stop(0).wait()


class HttpReceiver:
    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.reply = ExportMetricsServiceResponse()
        self.raw: bytes | None = None
        self.endless = False
        self.status, self.location = 200, ""
        self.sent_bytes = 0
        self.waits = Event()  # cleared to make replies wait forever
        self.waits.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, *_: object) -> None:
                """Do nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        self.headers.append({key.lower(): value for key, value in handler.headers.items()})
        if handler.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.paths.append(handler.path)
        if not self.waits.wait(30):
            return
        self.requests.append(ExportMetricsServiceRequest.FromString(body))
        handler.send_response(self.status)
        if self.location:
            handler.send_header("location", self.location)
        if self.endless:
            handler.end_headers()
            try:
                while self.sent_bytes < 64 << 20:
                    handler.wfile.write(b"\0" * 65536)
                    self.sent_bytes += 65536
            except OSError:
                return
        reply = self.reply.SerializeToString() if self.raw is None else self.raw
        handler.send_header("content-length", str(len(reply)))
        handler.end_headers()
        handler.wfile.write(reply)

    def stop(self) -> None:
        self.waits.set()
        self._server.shutdown()
        self._server.server_close()
