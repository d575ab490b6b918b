"""One gRPC call in progress, and the decision whether a call is observed."""

from collections.abc import Callable, Iterable
from random import random
from time import perf_counter, time_ns
from typing import Any, TypeVar, Unpack

import grpc

from nilometer.capture.grpc.messages import Messages
from nilometer.capture.grpc.status import Code, Deadline, ended
from nilometer.capture.options import CaptureOptions
from nilometer.capture.stream import Stream
from nilometer.handoff.guard import Guard
from nilometer.handoff.pack import Rest
from nilometer.handoff.plain import Annotations
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.settings.settings import load
from nilometer.values.reasons import Outcome, StreamEnd
from nilometer.values.request_rules import GRPC, RequestRules

Q = TypeVar("Q")  # requests
A = TypeVar("A")  # responses

PROBES = (  # prefixes of methods that make no predictions
    "/grpc.health.v1.Health/",
    "/grpc.reflection.",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)


class Call:
    """The state of one call in progress. Each recording method catches its own errors.

    Attributes:
        context: Context of the call in `grpc.aio`, from the start of its handler to its end.
        task: Task in which `grpc.aio` runs the call, if it is known, until it ends.
        is_late: Whether the deadline of the client had passed when the handler returned.
        is_interrupted: Whether `grpc.aio` had cancelled the call when the handler ended.
        is_unsent: Whether `grpc.aio` could not send the end of the response.
    """

    # Defaults here cost nothing for each call.
    context: Any = None
    task: Any = None
    is_late = is_interrupted = is_unsent = False
    _finished = True  # until it is counted

    def __init__(self, capture: "Capture", details: grpc.HandlerCallDetails) -> None:
        self.capture = capture
        self.worker = capture.worker
        self.annotations: Annotations | None = None
        self.path: str = details.method
        self.metadata = details.invocation_metadata
        self.share = capture.worker.share
        cap = capture.cap
        if self.share < 1.0 and random() >= self.share:  # noqa: S311  not for secrets
            cap, self.share = 0, -self.share
        self.request, self.response = Messages(cap), Messages(cap, both_ends=True)
        self.timed = 0.0  # seconds in nilometer's code at the start of a timed call
        self.first = self.latest = 0.0
        self.stream: Stream | None = None
        self.raised: BaseException | None = None
        self.handled = False  # whether the server has ended the call, with or without an error
        self.cancels = False  # whether the handler has cancelled the call
        self.worker.in_flight += 1
        self._finished = False
        self.in_flight = self.worker.in_flight
        self.arrival_ns, self.started = time_ns(), perf_counter()

    def deserializer(self, original: Callable[[bytes], Q] | None) -> Callable[[bytes], Q | bytes]:
        """Return *original*, changed to record the bytes that it reads."""

        # Quoted, because Python would build the union anew for each call.
        def deserialize(data: bytes) -> "Q | bytes":
            try:
                self.note_request(data)
            except Exception as error:  # monitoring must never fail a prediction
                self.worker.note(error)
            if original is None:
                return data
            try:
                return original(data)
            except Exception as error:  # the call ends here, because its handler is never called
                self.end(None, error)
                raise

        return deserialize

    def serializer(self, original: Callable[[A], bytes] | None) -> Callable[[A], bytes]:
        """Return *original*, changed to record the bytes that it writes."""

        def serialize(message: Any) -> bytes:
            try:
                data: bytes = message if original is None else original(message)
            except Exception as error:
                self.end(None, error)
                raise
            if data is None:
                self.raised = self.raised or TypeError("the response is None")
                return data
            try:
                self.note_answer(data)
            except Exception as error:  # monitoring must never fail a prediction
                self.worker.note(error)
            return data

        return serialize

    @property
    def elapsed(self) -> float:
        """Seconds since the call arrived."""
        return perf_counter() - self.started

    def note_request(self, data: bytes, compressed: bool = False) -> None:  # noqa: FBT001, FBT002
        """Record one more request message."""
        self.request.add(data, compressed=compressed)

    def note_answer(self, data: bytes, compressed: bool = False) -> None:  # noqa: FBT001, FBT002
        """Record one more response message."""
        now = perf_counter()
        if self.response.count:
            if self.stream is None:
                self.stream = Stream(self.response.size)
            self.stream.note(now - self.latest, len(data))
        else:
            self.first = now
        self.latest = now
        self.response.add(data, compressed=compressed)

    def end(
        self,
        code: Code,
        error: BaseException | None = None,
        *,
        deadline: Deadline = Deadline.UNKNOWN,
    ) -> None:
        """Offer the observation; later calls do nothing. For the arguments, see `ended`."""
        if self._finished:
            return
        self._finished = True
        try:
            self.worker.in_flight -= 1
            now = perf_counter()
            status, outcome = ended(
                code, error or self.raised, left=not self.handled, deadline=deadline
            )
            is_whole = outcome == Outcome.OK.value and self.latest
            latency = (self.latest if is_whole else now) - self.started
            streamed = None
            if self.stream is not None:
                streamed = self.stream.ended(self._stream_end(outcome, now))
            request, response = self.request, self.response
            first_byte = self.first - self.started if self.first else 0.0
            packed = self.worker.packer.pack(
                self.arrival_ns,
                latency,
                status,
                outcome,
                "POST",
                self.path,
                _headers(self.metadata, request.content_type),
                ((b"content-type", response.content_type),),
                request.body,
                response.body,
                self.in_flight,
                Rest(
                    *(request.size, response.size, first_byte, streamed),
                    *(self.annotations, None, self.share, response.ends),
                ),
            )
            self.worker.sink.offer(packed)
            if self.timed:
                self.worker.meter.note(self.timed + perf_counter() - now)
        except Exception as fault:  # monitoring must never fail a prediction
            self.worker.note(fault, lost=1)

    def abandon(self) -> None:
        """Forget the call without an observation, unless it has ended; the caller counts it."""
        if not self._finished:
            self._finished = True
            self.worker.in_flight -= 1

    def __del__(self) -> None:
        """Count the call as lost, unless it has ended.

        gRPC drops a call without a word if its handler never runs: its client left while the call
        waited for a thread or for its only message, or the server has too many calls. The garbage
        collector may run this anywhere, so it only counts.
        """
        if not self._finished:
            self.abandon()
            self.worker.never_ran += 1

    def _stream_end(self, outcome: str, now: float) -> StreamEnd:
        if outcome == Outcome.OK.value:
            return StreamEnd.COMPLETED
        if now - self.latest >= self.capture.stall_seconds:
            return StreamEnd.STALLED
        return StreamEnd.CLIENT_LEFT if outcome == Outcome.CLIENT_LEFT.value else StreamEnd.ERROR


class Capture:
    """The worker that all interceptors of this process share."""

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
        self.worker = Worker(settings, Guard())
        self.cap = settings.body_cap
        self.stall_seconds = settings.stall_seconds
        self._exclude = RequestRules.of(settings.exclude)

    def call(self, details: grpc.HandlerCallDetails) -> Call | None:
        """Return the call to observe, or None."""
        try:
            worker = self.worker
            method = details.method
            if (
                method.startswith(PROBES)
                or self._exclude.match("POST", method, GRPC)
                or not (worker.live or worker.revive())
            ):
                return None
            if not worker.due:
                return Call(self, details)
            worker.due = False
            began = perf_counter()
            call = Call(self, details)
            call.timed = perf_counter() - began
            return call
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error, lost=1)
            return None

    def stop(self) -> None:
        """Send pending observations and stop. It also runs when the process ends."""
        self.worker.stop()


def _headers(
    metadata: Iterable[tuple[str, str | bytes]] | None, content_type: bytes
) -> list[tuple[bytes, bytes]]:
    headers = [
        (key.encode("latin-1"), value.encode("latin-1") if isinstance(value, str) else value)
        for key, value in metadata or ()
    ]
    headers.append((b"content-type", content_type))
    return headers
