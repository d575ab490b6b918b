"""Interceptors for gRPC servers in Python: what passes goes through untouched, one observation a call.

The handler's own deserializer, behaviour and serializer are called as they were, each once; between
them we note the bytes. `CaptureInterceptor` is for `grpc.server`, `AioCaptureInterceptor` for
`grpc.aio.server`; `wrap_servers` puts them into every server that a process makes, for those that
hard-code theirs.

A unary message is handed on as its serialized bytes. Where a side has several messages, each has
gRPC's own frame of five bytes before it, and the content type is `FRAMED`.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from random import random
from time import perf_counter, time_ns
from types import ModuleType
from typing import Any

import grpc
import grpc.aio

from nilometer.capture.exchange import Stream, joined
from nilometer.capture.values import current
from nilometer.handoff.guard import Guard
from nilometer.handoff.noted import Noted
from nilometer.handoff.pack import Body, Rest
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.settings.settings import load
from nilometer.values.reasons import Outcome, StreamEnd

ONE = b"application/grpc"
FRAMED = b"application/grpc+frames"
PROBES = (  # how the paths of methods begin that are no requests of a model
    "/grpc.health.v1.Health/",
    "/grpc.reflection.",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)

# The HTTP status that stands for each code, as in google.rpc.Code; 499 for a client that left.
STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

log = logging.getLogger("nilometer.capture")


class Call:
    """One call while it is under way. Each note stands behind a guard."""

    def __init__(self, capture: "_Capture", details: grpc.HandlerCallDetails) -> None:
        self.capture = capture
        self.worker = capture.worker
        self.noted: Noted | None = None
        self.path: str = details.method
        self.metadata = details.invocation_metadata
        self.share = capture.worker.share
        cap = capture.cap
        if self.share < 1.0 and random() >= self.share:  # noqa: S311  no secret
            cap, self.share = 0, -self.share
        self.request, self.response = Messages(cap), Messages(cap)
        self.timed = 0.0  # seconds that its beginning was with us, where it is timed
        self.first = self.latest = 0.0
        self.stream: Stream | None = None
        self.raised: BaseException | None = None
        self.answered = False  # whether the last message is out
        self._finished = False
        self.worker.in_flight += 1
        self.in_flight = self.worker.in_flight
        self.arrival_ns, self.started = time_ns(), perf_counter()

    def deserializer(self, original: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
        """*original*, noting the bytes it is given."""

        def deserialize(data: bytes) -> Any:
            try:
                self.note_request(data)
            except Exception as error:  # monitoring must never fail a prediction
                self.worker.note(error)
            if original is None:
                return data
            try:
                return original(data)
            except Exception as error:  # the call ends here: its behaviour is never called
                self.end(None, error)
                raise

        return deserialize

    def serializer(
        self, original: Callable[[Any], bytes] | None, *, unary: bool
    ) -> Callable[[Any], bytes]:
        """*original*, noting the bytes it gives."""

        def serialize(message: Any) -> bytes:
            try:
                data: bytes = message if original is None else original(message)
            except Exception as error:
                self.end(None, error)
                raise
            try:
                self.note_answer(data)
                self.answered = unary
            except Exception as error:  # monitoring must never fail a prediction
                self.worker.note(error)
            return data

        return serialize

    @property
    def elapsed(self) -> float:
        """Seconds since the call came."""
        return perf_counter() - self.started

    def note_request(self, data: bytes, compressed: bool = False) -> None:  # noqa: FBT001, FBT002
        """One message more of the request."""
        self.request.add(data, compressed=compressed)

    def note_answer(self, data: bytes, compressed: bool = False) -> None:  # noqa: FBT001, FBT002
        """One message more of the answer."""
        now = perf_counter()
        if self.response.count:
            if self.stream is None:
                self.stream = Stream()
            self.stream.note(now - self.latest)
        else:
            self.first = now
        self.latest = now
        self.response.add(data, compressed=compressed)

    def end(self, code: Any, error: BaseException | None = None) -> None:
        """Offer the observation; once, whoever comes first."""
        if self._finished:
            return
        self._finished = True
        try:
            self.worker.in_flight -= 1
            now = perf_counter()
            status, outcome = ended(code, error or self.raised, left=not self.answered)
            latency = (self.latest if self.answered and self.latest else now) - self.started
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
                    request.size, response.size, first_byte, streamed, self.noted, None, self.share
                ),
            )
            self.worker.sink.offer(packed)
            if self.timed:
                self.worker.meter.note(self.timed + perf_counter() - now)
        except Exception as fault:  # monitoring must never fail a prediction
            self.worker.note(fault, lost=1)

    def _stream_end(self, outcome: str, now: float) -> StreamEnd:
        if outcome == Outcome.OK.value:
            return StreamEnd.COMPLETED
        if now - self.latest >= self.capture.stall_seconds:
            return StreamEnd.STALLED
        return StreamEnd.CLIENT_LEFT if outcome == Outcome.CLIENT_LEFT.value else StreamEnd.ERROR


class Messages:
    """One side of a call, up to the cap."""

    __slots__ = ("_framed", "body", "cap", "count", "size")

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.count = 0
        self.size = 0
        self.body: Body = b""
        self._framed = False

    def add(self, data: bytes, *, compressed: bool = False) -> None:
        """One message more; its frame says whether it is *compressed*."""
        before = self.size
        self.size += len(data)
        self.count += 1
        if self.size > self.cap or self.body is None:
            self.body = None
            return
        if self.count == 1 and not compressed:
            self.body = data
            return
        if self.count == 2 and not self._framed:
            self.body = _frame(before) + bytes(self.body)
        self.body = joined(
            self.body, _frame(len(data), compressed=compressed) + data, self.count - 1
        )
        self._framed = True

    def skip(self, size: int) -> None:
        """One message more, of *size* bytes, that was not kept."""
        self.size += size
        self.count += 1
        self.body = None

    @property
    def content_type(self) -> bytes:
        """Whether frames stand before the messages."""
        return FRAMED if self._framed else ONE


def _frame(size: int, *, compressed: bool = False) -> bytes:
    return bytes((compressed,)) + size.to_bytes(4, "big")


def _headers(metadata: Any, content_type: bytes) -> list[tuple[bytes, bytes]]:
    headers = [
        (key.encode("latin-1"), value.encode("latin-1") if isinstance(value, str) else value)
        for key, value in metadata or ()
    ]
    headers.append((b"content-type", content_type))
    return headers


def ended(code: Any, error: BaseException | None, *, left: bool) -> tuple[int, str]:
    """HTTP status and outcome of a call.

    Args:
        code: Its status code; None or 0 where none was set.
        error: What its behaviour raised; None also after `abort`, which has set a code.
        left: Whether a cancelled call's client had not had the whole answer.
    """
    if isinstance(error, asyncio.CancelledError):
        return 499, Outcome.CLIENT_LEFT.value
    if isinstance(code, int):  # grpc.aio answers with numbers
        code = next((one for one in grpc.StatusCode if one.value[0] == code), None)
    if error is not None and code in {None, grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}:
        return 500, Outcome.EXCEPTION.value
    status = STATUSES.get(code, 500) if code is not None else 200
    if status == 499 and left:
        return status, Outcome.CLIENT_LEFT.value
    if status < 400:
        return (499, Outcome.CLIENT_LEFT.value) if left else (status, Outcome.OK.value)
    return status, (Outcome.CLIENT_ERROR if status < 500 else Outcome.SERVER_ERROR).value


class _Capture:
    """What both interceptors share: one worker of this process."""

    def __init__(self, **options: Any) -> None:
        settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
        self.worker = Worker(settings, Guard())
        self.cap = settings.body_cap
        self.stall_seconds = settings.stall_seconds
        self._excluded = frozenset(settings.exclude)

    def call(self, details: grpc.HandlerCallDetails) -> Call | None:
        """A call to be observed, or None."""
        try:
            worker = self.worker
            method = details.method
            if (
                method in self._excluded
                or method.startswith(PROBES)
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
        """Hand on what is held. Called at the end of the process, too."""
        self.worker.stop()


class CaptureInterceptor(grpc.ServerInterceptor):
    """Observes a `grpc.server`: ``grpc.server(pool, interceptors=[CaptureInterceptor(entity=...)])``.

    Args:
        **options: See `CaptureSettings`; what is not given comes from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong.
    """

    def __init__(self, **options: Any) -> None:
        self.capture = _Capture(**options)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler, observed."""
        handler = continuation(handler_call_details)
        call = self.capture.call(handler_call_details) if handler is not None else None
        if call is None:
            return handler
        return _observed(handler, call, _sync_unary, _sync_stream)


class AioCaptureInterceptor(grpc.aio.ServerInterceptor):
    """Observes a `grpc.aio.server`; see `CaptureInterceptor`."""

    def __init__(self, **options: Any) -> None:
        self.capture = _Capture(**options)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler, observed."""
        handler = await continuation(handler_call_details)
        call = self.capture.call(handler_call_details) if handler is not None else None
        if call is None:
            return handler
        return _observed(handler, call, _aio_unary, _aio_stream)


def _observed(handler: Any, call: Call, unary: Any, stream: Any) -> Any:
    """A handler of the same kind whose parts note what passes."""
    kind = (handler.request_streaming, handler.response_streaming)
    behaviour = {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }[kind]
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[kind]
    return make(
        (stream if handler.response_streaming else unary)(behaviour, call),
        request_deserializer=call.deserializer(handler.request_deserializer),
        response_serializer=call.serializer(
            handler.response_serializer, unary=not handler.response_streaming
        ),
    )


def _sync_unary(behaviour: Callable[..., Any], call: Call) -> Callable[..., Any]:
    @wraps(behaviour)
    def observed(request: Any, context: grpc.ServicerContext) -> Any:
        _begin_sync(call, context)
        try:
            return behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise

    return observed


def _sync_stream(behaviour: Callable[..., Any], call: Call) -> Callable[..., Any]:
    @wraps(behaviour)
    def observed(request: Any, context: grpc.ServicerContext) -> Any:
        _begin_sync(call, context)
        try:
            answers = behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise
        return _noted_iterator(answers, call) if isinstance(answers, Iterator) else answers

    return observed


def _begin_sync(call: Call, context: Any) -> None:
    try:
        current.set(call)
        if not context.add_callback(lambda: call.end(_code(context))):
            call.end(None, asyncio.CancelledError())
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def _noted_iterator(answers: Iterator[Any], call: Call) -> Iterator[Any]:
    """*answers*, noting how they end; gRPC takes them from threads of its own, one after another."""
    while True:
        try:
            current.set(call)
            answer = next(answers)
        except StopIteration:
            call.answered = True
            return
        except BaseException as error:
            call.raised = error
            raise
        yield answer


def _aio_unary(behaviour: Callable[..., Any], call: Call) -> Callable[..., Any]:
    if not asyncio.iscoroutinefunction(behaviour):
        return _sync_in_aio(behaviour, call)

    @wraps(behaviour)
    async def observed(request: Any, context: Any) -> Any:
        _begin_aio(call, context)
        try:
            return await behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise

    return observed


def _aio_stream(behaviour: Callable[..., Any], call: Call) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(behaviour):

        @wraps(behaviour)
        async def generated(request: Any, context: Any) -> AsyncIterator[Any]:
            _begin_aio(call, context)
            try:
                async for answer in behaviour(request, context):
                    yield answer
                call.answered = True
            except BaseException as error:
                call.raised = error
                raise

        return generated
    if not asyncio.iscoroutinefunction(behaviour):
        return _sync_in_aio(behaviour, call)

    @wraps(behaviour)
    async def written(request: Any, context: Any) -> None:
        _begin_aio(call, context)
        try:
            await behaviour(request, context)
            call.answered = True
        except BaseException as error:
            call.raised = error
            raise

    return written


def _sync_in_aio(behaviour: Callable[..., Any], call: Call) -> Callable[..., Any]:
    """A plain function served by `grpc.aio` in its migration pool."""

    @wraps(behaviour)
    def observed(request: Any, context: Any) -> Any:
        _begin_aio(call, context)
        try:
            answers = behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise
        return _noted_iterator(answers, call) if isinstance(answers, Iterator) else answers

    return observed


def _begin_aio(call: Call, context: Any) -> None:
    try:
        current.set(call)
        add = getattr(context, "add_done_callback", None)
        if add is not None:
            add(lambda _: call.end(_code(context)))
        else:  # the context of the migration pool
            context.add_callback(lambda: call.end(_code(context)))
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def _code(context: Any) -> Any:
    try:
        return context.code()
    except Exception:  # experimental there, and missing in older versions
        return None


def wrap_servers(module: ModuleType) -> None:
    """Put an interceptor into every server that `grpc.server` and `grpc.aio.server` make from now on.

    Args:
        module: `grpc`.
    """
    import grpc.aio

    module.server = _with_interceptor(module.server, CaptureInterceptor)  # type: ignore[attr-defined]
    grpc.aio.server = _with_interceptor(grpc.aio.server, AioCaptureInterceptor)


def _with_interceptor(make: Callable[..., Any], kind: type[Any]) -> Callable[..., Any]:
    signature = inspect.signature(make)

    @wraps(make)
    def made(*arguments: Any, **named: Any) -> Any:
        try:
            bound = signature.bind(*arguments, **named)
            own = list(bound.arguments.get("interceptors") or ())
            if not any(isinstance(one, kind) for one in own):
                # Outermost, so that what other interceptors refuse is seen, too.
                bound.arguments["interceptors"] = [_shared(kind), *own]
            arguments, named = bound.args, bound.kwargs
        except Exception as error:  # the server must start as without us
            log.error("not observed", extra={"reason": str(error)})  # noqa: TRY400
        return make(*arguments, **named)

    return made


_interceptors: dict[type[Any], Any] = {}


def _shared(kind: type[Any]) -> Any:
    """One interceptor, and so one worker, however many servers a process makes."""
    if kind not in _interceptors:
        _interceptors[kind] = kind()
    return _interceptors[kind]
