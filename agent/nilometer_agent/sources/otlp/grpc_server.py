"""The gRPC server that receives OTLP."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nilometer.export.exports import host_and_port
from nilometer.serving.calls import (
    Bounds,
    CallRefused,
    Context,
    Requests,
    caller_of,
    message_of,
)
from nilometer.serving.descriptors import free
from nilometer.serving.grpc_server import GrpcServer
from nilometer.wire.services import SERVER_OPTIONS
from nilometer_agent.sources.http_server import GRACE_SECONDS, THREADS
from nilometer_agent.sources.otlp.otlp_receiver import MAX_BODY_BYTES, NotDurable, OtlpReceiver
from nilometer_agent.sources.otlp.replies import metrics_reply, trace_reply

METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MAX_CONNECTIONS = 1024  # and at most a quarter of the file descriptors


class OtlpGrpc(GrpcServer):
    """Receives OTLP metrics and spans over gRPC. Call `start`, then `stop`.

    Args:
        receiver: Receiver of the requests.
        address: ``host:port``; port 0 chooses a free port.
        by_address: Whether clients can be told apart by their addresses.
    """

    def __init__(self, receiver: OtlpReceiver, address: str, *, by_address: bool) -> None:
        super().__init__(
            "nilometer-otlp",
            f"otlp_in_grpc_address = {address!r}",
            (*SERVER_OPTIONS, ("grpc.max_receive_message_length", MAX_BODY_BYTES)),
            connections=min(MAX_CONNECTIONS, free() // 4),
            threads=THREADS,
            stop_seconds=GRACE_SECONDS,
        )
        self._address = host_and_port(address)
        self._receiver = receiver
        self._bounds = Bounds(by_address=by_address)
        self.port = self._address[1]

    def add_to(self, server: grpc.aio.Server, threads: Executor) -> None:
        """Add both methods and the address to a gRPC server."""
        server.add_generic_rpc_handlers((_Exports(self._bounds, self._receiver, threads),))
        host, port = self._address
        self.port = server.add_insecure_port(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        )


class _Exports(grpc.GenericRpcHandler):
    def __init__(self, bounds: Bounds, receiver: OtlpReceiver, threads: Executor) -> None:
        self._bounds = bounds
        self._threads = threads
        self._answers = {
            METRICS: lambda content: _metrics(receiver, content),
            TRACES: lambda content: _traces(receiver, content),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Return the handler of a call; None if the method does not belong to OTLP."""
        answer = self._answers.get(handler_call_details.method)
        if answer is None:
            return None

        async def receive(requests: Requests, context: Context) -> bytes:
            return await self._receive(answer, requests, context)

        return grpc.stream_unary_rpc_method_handler(receive)

    async def _receive(
        self, answer: Callable[[bytes], Message], requests: Requests, context: Context
    ) -> bytes:
        caller = caller_of("", context)
        try:
            async with self._bounds.waiting(caller):
                content = await message_of(requests)
            with self._bounds.answering(caller):
                loop = asyncio.get_running_loop()
                reply = await loop.run_in_executor(self._threads, answer, content)
        except CallRefused as error:
            await context.abort(error.code, error.why)
        except NotDurable:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not committed in time; retry")
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not an OTLP request")
        return reply.SerializeToString()


def _metrics(receiver: OtlpReceiver, content: bytes) -> Message:
    return metrics_reply(receiver.metrics(ExportMetricsServiceRequest.FromString(content)))


def _traces(receiver: OtlpReceiver, content: bytes) -> Message:
    return trace_reply(receiver.spans(ExportTraceServiceRequest.FromString(content)))
