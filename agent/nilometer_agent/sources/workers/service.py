"""The agent's gRPC service: batches from clients without plain frames, status requests, flushes."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer.wire.frames import Batch
from nilometer.wire.services import (
    AgentServiceServicer,
    CaptureAcknowledgement,
    CaptureRefusal,
    FlushReply,
    FlushRequest,
    StatusReply,
    StatusRequest,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.parse_batch import Refusal, parse_batch
from nilometer_agent.sources.workers.registry import Workers

MAX_STREAMS = 64  # gRPC streams at once; each needs two threads
MAX_REASON = 200  # characters of a reason
MAX_UNREAD_ANSWERS = 256  # waiting answers above which no more refusals are added
FLUSH_SECONDS = 60.0
CAPTURE = "/nilometer.v1.AgentService/Capture"
_READ = 0  # sentinel among the answers: everything is read

log = logging.getLogger("nilometer.agent")


class Stream:
    """One worker's stream. Its own thread reads it; the engine's thread acknowledges batches.

    Args:
        engine: Engine that gets the batches.
        log_refusal: Function that logs the reason of a refusal.
    """

    def __init__(self, engine: Engine, log_refusal: Callable[[str], None]) -> None:
        self._engine = engine
        self._log_error = log_refusal
        # Committed sequences and refusals; `_READ` after the last message, None at the end.
        self._answers: queue.SimpleQueue[int | CaptureRefusal | None] = queue.SimpleQueue()
        self._last_received = 0
        self.worker = b""
        self.refused = ""

    def read(self, batches: Iterator[Batch | Refusal]) -> None:
        """Receive batches until the worker closes its side, disconnects, or sends no batch."""
        acknowledge = self._answers.put
        try:
            for batch in batches:
                if isinstance(batch, Refusal):
                    self._refuse(batch)
                    if self.refused:
                        break
                    continue
                self.worker = batch.worker
                self._last_received = batch.sequence
                self._engine.offer(Arrival(batch, acknowledge))
        except grpc.RpcError:
            log.info("worker disconnected", extra={"worker": self.worker.hex()})
        finally:
            self._engine.offer(Arrival(None, acknowledge))
            self._answers.put(_READ)

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse a batch; refuse the stream if the message is not a batch."""
        self._engine.refuse()
        self._log_error(refusal.reason)
        reason = refusal.reason[:MAX_REASON]
        if not refusal.sequence:
            self.refused = reason
        elif self._answers.qsize() >= MAX_UNREAD_ANSWERS:
            self.refused = "the worker does not read its refusals"
        else:
            self._answers.put(CaptureRefusal(sequence=refusal.sequence, reason=reason))

    def answers(self) -> Iterator[CaptureAcknowledgement]:
        """Yield refusals, and acknowledgements until everything that was read is committed."""
        acknowledged = 0
        has_read = False
        while not (has_read and acknowledged >= self._last_received):
            match self._answers.get():
                case None:
                    return
                case CaptureRefusal() as refusal:
                    yield CaptureAcknowledgement(refusal=refusal)
                case 0:
                    has_read = True
                case sequence if sequence > acknowledged:
                    acknowledged = sequence
                    yield CaptureAcknowledgement(sequence=sequence)

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
        self._once = OnceEvery(MINUTE_SECONDS)  # logs each reason once a minute

    def Capture(  # noqa: N802  the contract's name
        self, request_iterator: Iterator[Batch | Refusal], context: grpc.ServicerContext
    ) -> Iterator[CaptureAcknowledgement]:
        """Receive a worker's batches, acknowledge the committed ones, and refuse invalid ones."""
        if not self._slots.acquire(blocking=False):
            reason = f"this agent already serves {MAX_STREAMS} gRPC streams, its limit"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
        if not context.add_callback(self._slots.release):  # the call has ended already
            self._slots.release()
            return
        stream = Stream(self._engine, self._log_error)
        context.add_callback(stream.abandon)
        with self._workers.connected(stream):
            threading.Thread(
                target=stream.read, args=(request_iterator,), name="nilometer-read", daemon=True
            ).start()
            yield from stream.answers()
        if stream.refused:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, stream.refused)

    def _log_error(self, reason: str) -> None:
        if self._once.due(time.monotonic(), reason):
            log.error("batch refused: %s", reason, extra={"reason": reason[:MAX_REASON]})

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
