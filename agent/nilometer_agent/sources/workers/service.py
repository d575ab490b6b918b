"""The agent's gRPC service: batches from clients without plain frames, status, flush."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from nilometer.wire.frames import Batch
from nilometer.wire.services import (
    AgentServiceServicer,
    CaptureAcknowledgement,
    FlushReply,
    FlushRequest,
    StatusReply,
    StatusRequest,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.parse_batch import Refusal, parse_batch
from nilometer_agent.sources.workers.registry import Workers

MAX_STREAMS = 64  # gRPC streams at once; each needs two threads
FLUSH_SECONDS = 60.0
CAPTURE = "/nilometer.v1.AgentService/Capture"

log = logging.getLogger("nilometer.agent")


class Stream:
    """One worker's stream. Its own thread reads it; the engine's thread acknowledges batches."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._last_received = 0
        self._done_reading = False
        self.worker = b""
        self.refused = ""

    def read(self, batches: Iterator[Batch | Refusal]) -> None:
        """Receive batches until the worker closes its side, disconnects, or breaks the contract."""
        acknowledge = self._answers.put
        try:
            for batch in batches:
                if isinstance(batch, Refusal):
                    self.refused = batch.reason
                    self._engine.refuse()
                    log.error(
                        "worker stream refused, it breaks the contract: install one version in client "
                        "and agent",
                        extra={"worker": self.worker.hex(), "reason": batch.reason[:200]},
                    )
                    break
                self.worker = batch.worker
                self._last_received = batch.sequence
                self._engine.offer(Arrival(batch, acknowledge))
        except grpc.RpcError:
            log.info("worker disconnected", extra={"worker": self.worker.hex()})
        finally:
            self._done_reading = True
            self._engine.offer(Arrival(None, acknowledge))
            self._answers.put(0)

    def acknowledgements(self) -> Iterator[CaptureAcknowledgement]:
        """Yield acknowledgements until everything that was read is committed."""
        acknowledged = 0
        while not (self._done_reading and acknowledged >= self._last_received):
            answer = self._answers.get()
            if answer is None:
                return
            if answer > acknowledged:
                acknowledged = answer
                yield CaptureAcknowledgement(sequence=answer)

    def abandon(self) -> None:
        """Note that the call is over."""
        self._answers.put(None)


class WorkerService(AgentServiceServicer):
    """Passes batches to the engine and acknowledgements back to the workers.

    Args:
        engine: Engine that gets the batches.
        workers: Registry of the connections.
        status: Function that returns the status of the agent, with entities if its argument is set.
    """

    def __init__(
        self, engine: Engine, workers: Workers, status: Callable[[bool], StatusReply]
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._slots = threading.BoundedSemaphore(MAX_STREAMS)
        self._status = status

    def Capture(  # noqa: N802  the contract's name
        self, request_iterator: Iterator[Batch | Refusal], context: grpc.ServicerContext
    ) -> Iterator[CaptureAcknowledgement]:
        """Receive a worker's batches, and acknowledge the committed ones."""
        if not self._slots.acquire(blocking=False):
            reason = f"this agent already serves {MAX_STREAMS} gRPC streams, its limit"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
        if not context.add_callback(self._slots.release):  # the call has ended already
            self._slots.release()
            return
        stream = Stream(self._engine)
        context.add_callback(stream.abandon)
        with self._workers.connected(stream):
            threading.Thread(
                target=stream.read, args=(request_iterator,), name="nilometer-read", daemon=True
            ).start()
            yield from stream.acknowledgements()
        if stream.refused:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, stream.refused)

    def Status(  # noqa: N802
        self, request: StatusRequest, context: grpc.ServicerContext
    ) -> StatusReply:
        """Return counters, gauges and states of the agent."""
        del context
        return self._status(request.entities)

    def Flush(  # noqa: N802
        self, request: FlushRequest, context: grpc.ServicerContext
    ) -> FlushReply:
        """Close every window now."""
        del request, context
        return FlushReply(samples=self._engine.flush(FLUSH_SECONDS))


class Bounds(grpc.ServerInterceptor):
    """Checks batches before they are parsed."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the handler, which parses batches with `parse_batch`."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method != CAPTURE:
            return handler
        return grpc.stream_stream_rpc_method_handler(
            handler.stream_stream, parse_batch, handler.response_serializer
        )
