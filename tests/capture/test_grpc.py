"""gRPC servers: the answers stay as they are, and each call is one observation."""

import asyncio
import threading
from collections import UserString
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

import nilometer
from nilometer.capture.grpc.interceptors import AioCaptureInterceptor, CaptureInterceptor
from nilometer.capture.grpc.wrap import wrap_servers
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation
from nilometer.testing import MemoryOutlet, eventually

SERVICE = "inference.GRPCInferenceService"


class Text(UserString):
    """A message: grpc.aio encodes a plain `str` itself."""


def encode(text: Text) -> bytes:
    return text.data.encode()


def decode(data: bytes) -> Text:
    return Text(data.decode())  # raises for bytes that are no text


is_patient = threading.Event()  # set by a handler that waits for its client to leave


def infer(request: Text, context: Any) -> Text:
    nilometer.log(length=len(request))
    if request == "abort":
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to")
    if request == "late":
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the database is slow")
    if request == "patient":
        released = threading.Event()
        context.add_callback(released.set)
        is_patient.set()
        released.wait(60)
    if request == "raise":
        raise ZeroDivisionError("model")
    if request == "spoil":
        return 7  # type: ignore[return-value]  # the serializer fails
    return request.upper()


def stream(requests: Iterator[Text], context: Any) -> Iterator[Text]:
    for request in requests:
        if request == "raise":
            raise ZeroDivisionError("half-way")
        yield request.upper()


def server_stream(request: Text, context: Any) -> Iterator[Text]:
    yield request
    if request == "wait":
        released = threading.Event()
        context.add_callback(released.set)
        released.wait(60)
        return
    yield request.upper()


def client_stream(requests: Iterator[Text], context: Any) -> Text:
    return Text(",".join(map(str, requests)))


async def aio_infer(request: Text, context: Any) -> Text:
    if request == "abort":
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to")
    if request == "late":
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the database is slow")
    if request == "patient":
        is_patient.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return Text("nobody reads this")
    return infer(request, context)


async def aio_stream(requests: AsyncIterator[Text], context: Any) -> AsyncIterator[Text]:
    async for request in requests:
        if request == "raise":
            raise ZeroDivisionError("half-way")
        yield request.upper()


async def aio_server_stream(request: Text, context: Any) -> None:
    await context.write(request)
    if request == "wait":
        await asyncio.sleep(10)
    await context.write(request.upper())


async def aio_client_stream(requests: AsyncIterator[Text], context: Any) -> Text:
    return Text(",".join([str(request) async for request in requests]))


def handlers(unary: Any, streamed: Any, server: Any, client: Any) -> grpc.GenericRpcHandler:
    coders: dict[str, Any] = {"request_deserializer": decode, "response_serializer": encode}
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "ModelInfer": grpc.unary_unary_rpc_method_handler(unary, **coders),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(streamed, **coders),
            "ServerStream": grpc.unary_stream_rpc_method_handler(server, **coders),
            "ClientStream": grpc.stream_unary_rpc_method_handler(client, **coders),
        },
    )


class Served:
    """A server, its port, and what was observed of it."""

    def __init__(
        self, port: int, interceptor: Any, observed: Callable[[], list[Observation]]
    ) -> None:
        self.interceptor = interceptor
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.observed = observed

    def call(self, method: str, kind: str = "unary_unary") -> Any:
        return getattr(self.channel, kind)(f"/{SERVICE}/{method}")


def drop(_: object) -> None:
    """A result that nobody wants."""


def unary_of(channel: grpc.Channel) -> Any:
    return channel.unary_unary(f"/{SERVICE}/ModelInfer")


def sync_server(interceptors: list[Any]) -> tuple[int, Callable[[], None]]:
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors)
    server.add_generic_rpc_handlers((handlers(infer, stream, server_stream, client_stream),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port, lambda: drop(server.stop(0).wait(60))


def aio_server(interceptors: list[Any]) -> tuple[int, Callable[[], None]]:
    state = SimpleNamespace()
    ready = threading.Event()

    async def serve() -> None:
        server = grpc.aio.server(interceptors=interceptors)
        server.add_generic_rpc_handlers(
            (handlers(aio_infer, aio_stream, aio_server_stream, aio_client_stream),)
        )
        state.port = server.add_insecure_port("127.0.0.1:0")
        state.loop, state.stop = asyncio.get_running_loop(), asyncio.Event()
        await server.start()
        ready.set()
        await state.stop.wait()
        await server.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(60)

    def stop() -> None:
        state.loop.call_soon_threadsafe(state.stop.set)
        thread.join(60)

    return state.port, stop


KINDS = {"grpc": (CaptureInterceptor, sync_server), "grpc.aio": (AioCaptureInterceptor, aio_server)}


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    kind, start = KINDS[request.param]
    interceptor: Any = kind(entity="tested", flush_seconds=0.005)
    worker: Worker = interceptor.capture.worker
    port, stop = start([interceptor])

    def observed() -> list[Observation]:
        assert worker.guard.faults == 0
        return list(outlet.captured)

    running = Served(port, interceptor, observed)
    yield running
    running.channel.close()
    stop()
    worker.stop()
    assert worker.in_flight == 0


def one(served: Served) -> Observation:
    eventually(served.observed)
    (observation,) = served.observed()
    return observation


def test_a_unary_call_hands_on_the_messages_as_they_were(served: Served) -> None:
    metadata = [("x-request-id", "r-1"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")]
    assert served.call("ModelInfer")(b"abc", metadata=metadata, timeout=60) == b"ABC"
    seen = one(served)
    assert (seen.path, seen.method) == (f"/{SERVICE}/ModelInfer", "POST")
    assert (seen.request_body, seen.response_body) == (b"abc", b"ABC")
    assert (seen.request_type, seen.response_type) == ("application/grpc", "application/grpc")
    assert (seen.status, seen.outcome, seen.prediction_id) == (200, "ok", "r-1")
    assert seen.trace_parent.startswith("00-aaaa")
    assert (seen.in_flight, seen.chunks, seen.stream_end) == (1, 1, "")
    assert seen.values == b"\x81\xa6length\x03"
    assert 0 < seen.first_byte <= seen.latency


@pytest.mark.parametrize(
    ("sent", "code", "status", "outcome"),
    [
        (b"abort", grpc.StatusCode.INVALID_ARGUMENT, 400, "client_error"),
        (b"raise", grpc.StatusCode.UNKNOWN, 500, "exception"),
        (b"late", grpc.StatusCode.DEADLINE_EXCEEDED, 504, "server_error"),
    ],
)
def test_a_call_that_fails_fails_as_without_us(
    sent: bytes, code: grpc.StatusCode, status: int, outcome: str, served: Served
) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        served.call("ModelInfer")(sent, timeout=60)
    assert failed.value.code() is code
    seen = one(served)
    assert (seen.status, seen.outcome, seen.request_body) == (status, outcome, sent)


def test_a_handler_that_passes_on_the_deadline_of_its_client_fails_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nilometer.capture.grpc.status.NEAR_SECONDS", 120)
    with pytest.raises(grpc.RpcError):
        served.call("ModelInfer")(b"late", timeout=60)
    seen = one(served)
    assert (seen.status, seen.outcome) == (504, "client_left")


@pytest.mark.parametrize("sent", [b"\xff\xfe", b"spoil"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_or_written_fails_with_the_same_code_and_words(
    sent: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    interceptor_of, start = KINDS[kind]
    interceptor: Any = interceptor_of(entity="tested", flush_seconds=0.005)
    failures = []
    for interceptors in ([], [interceptor]):
        port, stop = start(interceptors)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.RpcError) as failed:
                unary_of(channel)(sent, timeout=60)
            failures.append((failed.value.code(), failed.value.details()))
        stop()
    assert failures[0] == failures[1]
    interceptor.capture.stop()
    assert [one.outcome for one in outlet.captured] == ["exception"]


def test_streams_both_ways_pass_and_are_one_observation(served: Served) -> None:
    answers = served.call("ModelStreamInfer", "stream_stream")(
        iter([b"a", b"bc", b"def"]), timeout=60
    )
    assert list(answers) == [b"A", b"BC", b"DEF"]
    seen = one(served)
    assert (seen.chunks, seen.stream_end, seen.outcome) == (3, "completed", "ok")
    assert len(seen.chunk_gaps) == 8
    assert seen.request_type == seen.response_type == "application/grpc+frames"
    assert seen.request_body == b"\0\0\0\0\1a\0\0\0\0\2bc\0\0\0\0\3def"
    assert (seen.request_size, seen.response_size) == (6, 6)


def test_a_stream_over_the_cap_keeps_its_first_and_its_last_answers(served: Served) -> None:
    sent = [b"%04d" % number * 1000 for number in range(200)]  # 800 kB, over 256 KiB
    answers = list(served.call("ModelStreamInfer", "stream_stream")(iter(sent), timeout=60))
    assert answers == sent
    seen = one(served)
    assert (seen.request_body, seen.response_body) == (None, None)
    assert (seen.chunks, seen.response_size) == (200, 200 * 4000)
    assert seen.response_ends is not None
    start, end = seen.response_ends
    framed = [b"\0" + (4000).to_bytes(4, "big") + answer for answer in answers]
    assert start == b"".join(framed[: len(start) // 4005])
    assert end == b"".join(framed[-len(end) // 4005 :])
    assert len(start) > 120_000 < len(end)


def test_a_stream_that_raises_in_the_middle(served: Served) -> None:
    answers = served.call("ModelStreamInfer", "stream_stream")(
        iter([b"a", b"b", b"raise"]), timeout=60
    )
    with pytest.raises(grpc.RpcError) as failed:
        list(answers)
    assert failed.value.code() is grpc.StatusCode.UNKNOWN
    seen = one(served)
    assert (seen.outcome, seen.stream_end, seen.chunks) == ("exception", "error", 2)


def test_a_client_that_leaves_a_stream(served: Served) -> None:
    answers = served.call("ServerStream", "unary_stream")(b"wait", timeout=60)
    assert next(answers) == b"wait"
    answers.cancel()
    seen = one(served)
    assert (seen.outcome, seen.status, seen.request_body) == ("client_left", 499, b"wait")


def test_a_client_that_leaves_a_handler_that_goes_on(served: Served) -> None:
    """gRPC discards what such a handler returns. For a deadline, see `test_grpc_endings`."""
    is_patient.clear()
    call = served.call("ModelInfer").future(b"patient")
    assert is_patient.wait(60)
    call.cancel()
    seen = one(served)
    assert (seen.outcome, seen.status, seen.request_body) == ("client_left", 499, b"patient")


def test_streams_one_way_pass(served: Served) -> None:
    assert list(served.call("ServerStream", "unary_stream")(b"x", timeout=60)) == [b"x", b"X"]
    eventually(lambda: len(served.observed()) == 1)
    assert served.call("ClientStream", "stream_unary")(iter([b"p", b"q"]), timeout=60) == b"p,q"
    eventually(lambda: len(served.observed()) == 2)
    first, second = served.observed()
    assert (first.stream_end, first.request_body) == ("completed", b"x")
    assert (second.outcome, second.response_body) == ("ok", b"p,q")


def test_calls_at_once_are_each_observed(served: Served) -> None:
    call = served.call("ModelInfer")
    pending = [call.future(b"%d" % number, timeout=60) for number in range(200)]
    assert [one.result() for one in pending] == [b"%d" % number for number in range(200)]
    eventually(lambda: len(served.observed()) == 200)
    assert {one.request_body for one in served.observed()} == {b"%d" % n for n in range(200)}


def test_servers_that_hard_code_their_interceptors_are_wrapped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    monkeypatch.setattr("nilometer.capture.grpc.wrap._interceptors", {})
    monkeypatch.setenv("NILOMETER_ENTITY", "wrapped")
    monkeypatch.setattr(grpc, "server", grpc.server)
    monkeypatch.setattr(grpc.aio, "server", grpc.aio.server)
    wrap_servers(grpc)
    for start in (sync_server, aio_server):
        port, stop = start([])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = unary_of(channel)(b"abc", timeout=60)
        assert answer == b"ABC"
        stop()
    from nilometer.capture.grpc.wrap import _interceptors

    for interceptor in _interceptors.values():
        interceptor.capture.stop()
    assert [one.request_body for one in outlet.captured] == [b"abc", b"abc"]


def test_a_wrong_setting_leaves_a_wrapped_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nilometer.capture.grpc.wrap._interceptors", {})
    monkeypatch.setenv("NILOMETER_ENTITY", "no spaces")
    monkeypatch.setattr(grpc, "server", grpc.server)
    monkeypatch.setattr(grpc.aio, "server", grpc.aio.server)
    wrap_servers(grpc)
    port, stop = sync_server([])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert unary_of(channel)(b"abc", timeout=60) == b"ABC"
    stop()
