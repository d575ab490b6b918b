"""Each way in which a gRPC call ends is one observation with one outcome, for all kinds of calls.

The table was written by hand. The three servers are `grpc.server`, `grpc.aio.server`, and the latter
with handlers that are not asynchronous, which run in its thread pool.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from nilometer.capture.grpc.interceptors import AioCaptureInterceptor, CaptureInterceptor
from nilometer.testing import MemoryOutlet, eventually
from nilometer.values.reasons import DropReason

pytestmark = pytest.mark.may_block  # handlers in the thread pool wait for the test

SERVICE = "inference.GRPCInferenceService"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
STREAMED = KINDS[2:]  # kinds whose client sends several messages
THREADS = "grpc.aio with threads"
THREADS_OF_A_SERVER = 4
LEFT = ("client_left", 499)
# What happens -> outcome and HTTP status. A server that stops cancels its calls as clients do.
ENDINGS = {
    "answers": ("ok", 200),
    "raises": ("exception", 500),
    "aborts": ("client_error", 400),
    "says it is cancelled": ("server_error", 500),
    "aborts as cancelled": ("server_error", 500),
    "waits, the client leaves": LEFT,
    "waits, the deadline passes": LEFT,
}
ENDINGS_OF_STREAMS = {
    "answers early": ("ok", 200),
    "reads, nothing comes": ("ok", 200),
    "reads, the client leaves": LEFT,
    "reads, the client leaves after a message": LEFT,
    "reads, the deadline passes": LEFT,
}


@dataclass
class Script:
    """What the handlers of a test have done, and what they wait for."""

    began: threading.Event = field(default_factory=threading.Event)
    read: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Plain:
    """Handlers that are not asynchronous."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def answer(self, request: bytes, context: Any) -> bytes:
        if request == b"raises":
            raise ZeroDivisionError("model")
        if request == b"aborts":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to")
        if request == b"aborts as cancelled":
            context.abort(grpc.StatusCode.CANCELLED, "told to")
        if request == b"says it is cancelled":
            context.set_code(grpc.StatusCode.CANCELLED)
        if request == b"cancels":
            context.cancel()
        if request == b"waits":
            self.script.began.set()
            self.script.waiting.release()
            self.script.goes_on.wait(30)
        self.script.read.set()
        return request

    def unary_unary(self, request: bytes, context: Any) -> Any:
        return self.answer(request, context)

    def unary_stream(self, request: bytes, context: Any) -> Any:
        yield b"first"
        yield self.answer(request, context)

    def stream_unary(self, requests: Any, context: Any) -> Any:
        self.script.began.set()
        answer = b"none"
        for request in requests:
            answer = self.answer(request, context)
            if request == b"answers early":
                break
        return answer

    def stream_stream(self, requests: Any, context: Any) -> Any:
        self.script.began.set()
        for request in requests:
            yield self.answer(request, context)
            if request == b"answers early":
                break


class Async(Plain):
    """The same handlers, as coroutines and generators."""

    async def answer_async(self, request: bytes, context: Any) -> bytes:
        if request == b"aborts":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to")
        if request == b"aborts as cancelled":
            await context.abort(grpc.StatusCode.CANCELLED, "told to")
        if request == b"waits":
            self.script.began.set()
            await asyncio.sleep(30)
        return self.answer(request, context)

    async def unary_unary(self, request: bytes, context: Any) -> Any:
        return await self.answer_async(request, context)

    async def unary_stream(self, request: bytes, context: Any) -> Any:
        await context.write(b"first")
        await context.write(await self.answer_async(request, context))

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        self.script.began.set()
        answer = b"none"
        async for request in requests:
            answer = await self.answer_async(request, context)
            if request == b"answers early":
                break
        return answer

    async def stream_stream(self, requests: Any, context: Any) -> AsyncIterator[bytes]:
        self.script.began.set()
        async for request in requests:
            yield await self.answer_async(request, context)
            if request == b"answers early":
                break


def handlers_of(service: Plain) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(service, kind))
            for kind in KINDS
        },
    )


Stop = Callable[[float], None]


def sync_server(service: Plain, *interceptors: Any) -> tuple[int, Stop]:
    server = grpc.server(ThreadPoolExecutor(THREADS_OF_A_SERVER), interceptors=[*interceptors])
    server.add_generic_rpc_handlers((handlers_of(service),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def stop(grace: float) -> None:
        server.stop(grace).wait(60)

    return port, stop


def aio_server(service: Plain, *interceptors: Any) -> tuple[int, Stop]:
    state = SimpleNamespace(grace=0.0)
    ready = threading.Event()

    async def serve() -> None:
        server = grpc.aio.server(ThreadPoolExecutor(THREADS_OF_A_SERVER), interceptors=interceptors)
        server.add_generic_rpc_handlers((handlers_of(service),))
        state.port = server.add_insecure_port("127.0.0.1:0")
        state.loop, state.stop = asyncio.get_running_loop(), asyncio.Event()
        await server.start()
        ready.set()
        await state.stop.wait()
        await server.stop(state.grace)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(60)

    def stop(grace: float) -> None:
        state.grace = grace
        if thread.is_alive():
            state.loop.call_soon_threadsafe(state.stop.set)
        thread.join(60)

    return state.port, stop


SERVERS: dict[str, tuple[Any, Any, Callable[..., tuple[int, Stop]]]] = {
    "grpc": (CaptureInterceptor, Plain, sync_server),
    "grpc.aio": (AioCaptureInterceptor, Async, aio_server),
    THREADS: (AioCaptureInterceptor, Plain, aio_server),
}


# In the thread pool of `grpc.aio`, a generator whose call is aborted or cancelled blocks its thread for
# ever, with and without an interceptor.
BLOCKING = {
    (THREADS, kind, ending)
    for kind in ("unary_stream", "stream_stream")
    for ending in {*ENDINGS, *ENDINGS_OF_STREAMS} - {"answers", "raises", "answers early"}
}


def cases(kinds: Sequence[str], endings: Iterable[str]) -> list[tuple[str, str, str]]:
    """Each server with each kind of call and each ending."""
    return [one for one in product(SERVERS, kinds, endings) if one not in BLOCKING]


class Observed:
    """A server, what its handlers do, and the calls that were observed."""

    def __init__(
        self,
        server: str,
        outlet: MemoryOutlet,
        before: Sequence[Any] = (),
        after: Sequence[Any] = (),
    ) -> None:
        kind, service, start = SERVERS[server]
        self.outlet = outlet
        self.messages: SimpleQueue[bytes | None] = SimpleQueue()
        self.calls = 0
        self.script = Script()
        self.interceptor = kind(entity="tested", flush_seconds=0.005)
        self.worker = self.interceptor.capture.worker
        self.service = service(self.script)
        port, self.stop = start(self.service, *before, self.interceptor, *after)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, kind: str, sent: list[bytes], *, ends: bool, timeout: float = 60.0) -> Any:
        """Begin a call; *ends* says whether its client sends nothing more."""
        self.calls += 1
        self.messages = SimpleQueue()
        for message in sent:
            self.messages.put(message)
        if ends:
            self.messages.put(None)
        multi = getattr(self.channel, kind)(f"/{SERVICE}/{kind}")
        request = iter(self.messages.get, None) if kind in STREAMED else sent[0]
        begin = multi if kind.endswith("stream") else multi.future
        return begin(request, timeout=timeout)

    def exceed(self, kind: str, sent: list[bytes], *, ends: bool) -> None:
        """Make a call whose deadline passes after its handler has begun."""
        for timeout in (0.05, 1.0, 10.0):  # a busy machine may be late
            read(kind, self.call(kind, sent, ends=ends, timeout=timeout))
            if self.script.began.is_set():
                return

    def outcome(self, in_flight: int = 0) -> tuple[str, int]:
        """The outcome and the status of the call, while only *in_flight* others go on."""
        eventually(lambda: len(self.outlet.captured) > 0)
        eventually(lambda: self.worker.in_flight == in_flight)
        assert self.worker.guard.faults == 0
        assert len(self.outlet.captured) <= self.calls
        (seen,) = {(one.outcome, one.status) for one in self.outlet.captured}
        return seen


@pytest.fixture(scope="module", params=SERVERS)
def running(request: pytest.FixtureRequest) -> Iterator[Observed]:
    outlet = MemoryOutlet()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
        observed = Observed(request.param, outlet)
        yield observed
        observed.channel.close()
        observed.stop(0)
        observed.worker.stop()


@pytest.fixture
def observed(running: Observed) -> Iterator[Observed]:
    running.service.script = running.script = Script()
    running.outlet.captured.clear()
    running.outlet.dropped.clear()
    running.calls = 0
    yield running
    running.script.goes_on.set()
    running.messages.put(None)


def read(kind: str, answer: Any) -> None:
    """Wait for the end of a call, however it ends."""
    with suppress(grpc.RpcError, grpc.FutureCancelledError):
        list(answer) if kind.endswith("stream") else answer.result(60)


@pytest.mark.parametrize(("running", "kind", "ending"), cases(KINDS, ENDINGS), indirect=["running"])
def test_an_ending_of_any_call(kind: str, ending: str, observed: Observed) -> None:
    what, _, then = ending.partition(", ")
    if then == "the deadline passes":
        observed.exceed(kind, [what.encode()], ends=True)
    else:
        answer = observed.call(kind, [what.encode()], ends=True)
        if then == "the client leaves":
            observed.script.began.wait(60)
            answer.cancel()
        read(kind, answer)
    assert observed.outcome() == ENDINGS[ending]


@pytest.mark.parametrize(
    ("running", "kind", "ending"), cases(STREAMED, ENDINGS_OF_STREAMS), indirect=["running"]
)
def test_an_ending_of_a_stream_of_requests(kind: str, ending: str, observed: Observed) -> None:
    what, _, then = ending.partition(", ")
    has_message = what != "reads" or "message" in then
    sent = [what.encode()] * has_message
    if then == "the deadline passes":
        observed.exceed(kind, sent, ends=False)
    else:
        answer = observed.call(kind, sent, ends=then == "nothing comes")
        if then.startswith("the client leaves"):
            (observed.script.read if has_message else observed.script.began).wait(60)
            answer.cancel()
        read(kind, answer)
    assert observed.outcome() == ENDINGS_OF_STREAMS[ending]


@pytest.mark.parametrize("running", ["grpc"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_that_cancels_its_call_fails_for_a_client_that_waits(
    kind: str, observed: Observed
) -> None:
    read(kind, observed.call(kind, [b"cancels"], ends=True))
    assert observed.outcome() == ("server_error", 500)


@pytest.mark.parametrize("running", ["grpc"], indirect=True)
def test_a_handler_that_does_not_block(observed: Observed, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns at once, and gets a function that sends its responses."""

    def unary_stream(request: bytes, context: Any, send: Callable[[bytes | None], None]) -> None:
        for answer in (request, None):
            send(answer)

    unary_stream.experimental_non_blocking = True  # type: ignore[attr-defined]
    monkeypatch.setattr(observed.service, "unary_stream", unary_stream)
    handlers = [handlers_of(observed.service)]
    server = grpc.server(ThreadPoolExecutor(1), handlers, [observed.interceptor])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    observed.calls = 1
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Any = channel.unary_stream(f"/{SERVICE}/unary_stream")
        assert list(method(b"sent", timeout=60)) == [b"sent"]
    assert observed.outcome() == ("ok", 200)
    server.stop(0).wait(60)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_call_whose_handler_never_runs_is_not_in_flight(kind: str, observed: Observed) -> None:
    """Its client leaves before the only message, or sends none."""
    for leaves in (True, False):
        method: Any = observed.channel.stream_stream(f"/{SERVICE}/{kind}")
        observed.messages = SimpleQueue()
        answer = method(iter(observed.messages.get, None), timeout=60)
        eventually(lambda: observed.worker.in_flight == 1)
        answer.cancel() if leaves else observed.messages.put(None)
        eventually(lambda: observed.worker.in_flight == 0)
        observed.messages.put(None)
        answer.cancel()  # a server of `grpc.aio` never answers a client that sends nothing
    eventually(lambda: observed.outlet.dropped[DropReason.NEVER_RAN] >= 2)
    assert observed.outlet.captured == []


@pytest.mark.parametrize("running", ["grpc", THREADS], indirect=True)
def test_a_call_whose_client_leaves_before_a_thread_is_free_is_not_silent(
    observed: Observed,
) -> None:
    calls = [
        observed.call("unary_unary", [b"waits"], ends=True) for _ in range(THREADS_OF_A_SERVER)
    ]
    for _ in calls:
        assert observed.script.waiting.acquire(timeout=60)
    read("unary_unary", observed.call("unary_unary", [b"sent"], ends=True, timeout=0.05))
    if isinstance(observed.interceptor, CaptureInterceptor):
        # Threads of `grpc.server` only meet the call once they are free.
        observed.script.goes_on.set()
        eventually(lambda: observed.outlet.dropped[DropReason.NEVER_RAN] >= 1)
    else:
        assert observed.outcome(in_flight=len(calls)) == LEFT


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("grace", "outcome"), [(60.0, "ok"), (0.0, "client_left")])
def test_a_server_that_stops(
    server: str, grace: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets its calls end within its grace; afterwards gRPC cancels them as clients do."""
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    observed = Observed(server, outlet)
    answer = observed.call("stream_unary", [], ends=False)
    observed.script.began.wait(60)
    stopping = threading.Thread(target=observed.stop, args=(grace,))
    stopping.start()
    if grace:
        observed.messages.put(None)
    read("stream_unary", answer)
    observed.messages.put(None)
    assert observed.outcome()[0] == outcome
    stopping.join(60)
    observed.channel.close()
    observed.worker.stop()


Inner = Callable[[bytes, Any], Any]


async def waits_in_vain(inner: Inner, request: bytes, context: Any) -> Any:
    answer = await inner(request, context)
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
    return answer


async def makes_a_task(inner: Inner, request: bytes, context: Any) -> Any:
    return await asyncio.wait_for(inner(request, context), 60)


async def gives_up(inner: Inner, request: bytes, context: Any) -> Any:
    try:
        async with asyncio.timeout(0.01):
            await inner(b"waits", context)
    except TimeoutError:
        return request


async def tries_again(inner: Inner, request: bytes, context: Any) -> Any:
    with suppress(ZeroDivisionError):
        await inner(b"raises", context)
    return await inner(request, context)


async def takes_the_first(inner: Inner, request: bytes, context: Any) -> Any:
    first = asyncio.create_task(inner(request, context))
    second = asyncio.create_task(inner(b"waits", context))
    answer = await first
    second.cancel()
    await asyncio.wait([second])
    return answer


async def leaves_it_behind(inner: Inner, request: bytes, context: Any) -> Any:
    BEHIND.add(asyncio.create_task(inner(b"waits", context)))
    await asyncio.sleep(0)
    return request


async def catches_the_end(inner: Inner, request: bytes, context: Any) -> Any:
    try:
        return await inner(request, context)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        return request


BEHIND: set[Any] = set()
AROUND = (waits_in_vain, makes_a_task, tries_again, takes_the_first, catches_the_end)


class Other(grpc.aio.ServerInterceptor):
    """An interceptor of the host, which runs *around* instead of each handler."""

    def __init__(self, around: Callable[..., Any], *, in_task: bool) -> None:
        self.around = around
        self.in_task = in_task

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        found = continuation(details)
        handler = await (asyncio.wait_for(found, 60) if self.in_task else found)

        async def behaviour(request: bytes, context: Any) -> Any:
            return await self.around(handler.unary_unary, request, context)

        return grpc.unary_unary_rpc_method_handler(
            behaviour, handler.request_deserializer, handler.response_serializer
        )


@pytest.fixture
def others(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observed]:
    """A server of `grpc.aio` with an interceptor before or after that of nilometer."""
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    around, place = request.param
    other = [Other(around, in_task=place == "before, in a task")]
    observed = Observed(
        "grpc.aio", outlet, () if place == "after" else other, other if place == "after" else ()
    )
    yield observed
    observed.channel.close()
    observed.stop(0)
    observed.worker.stop()


PLACES = ("before", "before, in a task", "after")


@pytest.mark.parametrize(
    "others", [*product((*AROUND, gives_up, leaves_it_behind), PLACES)], indirect=True
)
def test_an_answered_call_is_ok_whatever_other_interceptors_do(others: Observed) -> None:
    for _ in range(2):
        assert others.call("unary_unary", [b"sent"], ends=True).result(60) == b"sent"
    eventually(lambda: len(others.outlet.captured) == 2)
    assert others.outcome() == ("ok", 200)


@pytest.mark.parametrize("others", [*product(AROUND, PLACES)], indirect=True)
def test_a_client_that_leaves_is_seen_whatever_other_interceptors_do(others: Observed) -> None:
    answer = others.call("unary_unary", [b"waits"], ends=True)
    others.script.began.wait(60)
    answer.cancel()
    assert others.outcome() == LEFT
