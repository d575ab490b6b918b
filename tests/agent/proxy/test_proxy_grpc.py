"""A proxy in front of a real gRPC server does not change a call."""

import contextlib
import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st
from support.holding import half_open_calls, silent_sockets
from support.proxied import HOST, Proxied, both, client, proxied, raw_server, read_all, read_until

from nilometer.capture.grpc.messages import FRAMED, ONE, Messages
from nilometer.decode.columns import Side
from nilometer.decode.oip_grpc import decode
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer_agent.proxy.frames import Events, Frames
from nilometer_agent.proxy.heads import Unreadable
from nilometer_agent.proxy.http2 import PREFACE, Http2, _seconds
from nilometer_agent.proxy.messages import MessageReader

SERVICE = "inference.GRPCInferenceService"
CALL = f"/{SERVICE}/ModelInfer"
UNLIMITED = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)


def _unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", "1"), ("x-first-bin", b"\x00\xff")))
    context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", b"\xff\x00")))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: \u00e4 %")
    if request == b"wait":
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(60)
    if request == b"raise":
        raise ZeroDivisionError("model")
    if request == b"metadata":
        return repr((metadata.get("x-mine"), metadata.get("x-mine-bin"))).encode()
    if request == b"time":
        return b"%d" % (context.time_remaining() < 100)
    return request[::-1]


def _both_ways(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        if request == b"fail":
            context.abort(grpc.StatusCode.DATA_LOSS, "half-way")
        yield request[::-1]


def _to_client(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    for number in range(3):
        yield request + b"%d" % number
    if request == b"wait":
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(60)


def _to_server(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    return b",".join(requests)


class Backend:
    """A gRPC server that knows no message types."""

    def __init__(self, **options: Any) -> None:
        self.server = grpc.server(
            ThreadPoolExecutor(16), options=(*UNLIMITED, ("grpc.so_reuseport", 0)), **options
        )
        handlers: dict[str, Any] = {
            "ModelInfer": grpc.unary_unary_rpc_method_handler(_unary),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(_both_ways),
            "ToClient": grpc.unary_stream_rpc_method_handler(_to_client),
            "ToServer": grpc.stream_unary_rpc_method_handler(_to_server),
        }
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, handlers),)
        )
        self.port = self.server.add_insecure_port(f"{HOST}:0")
        self.server.start()


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    running = Backend()
    yield running
    running.server.stop(0).wait(60)


@pytest.fixture
def proxy(backend: Backend) -> Iterator[Proxied]:
    with proxied(backend.port, protocol="grpc") as running:
        yield running


class Caller:
    """Calls, and all that a client can see of them."""

    def __init__(self, port: int, **options: Any) -> None:
        self.channel = grpc.insecure_channel(f"{HOST}:{port}", options=UNLIMITED, **options)

    def of(self, kind: str, method: str) -> Any:
        return getattr(self.channel, kind)(f"/{SERVICE}/{method}")

    def unary(self, request: bytes, **options: Any) -> tuple[Any, ...]:
        try:
            answer, call = self.of("unary_unary", "ModelInfer").with_call(request, **options)
        except grpc.RpcError as error:
            answer, call = None, error
        return answer, *_seen(call)

    def both_ways(self, requests: list[bytes]) -> tuple[Any, ...]:
        call = self.of("stream_stream", "ModelStreamInfer")(iter(requests))
        return _drained(call)


def _seen(call: Any) -> tuple[Any, ...]:
    return (
        call.code(),
        call.details(),
        sorted(call.initial_metadata() or ()),
        sorted(call.trailing_metadata() or ()),
    )


def _drained(call: Any) -> tuple[Any, ...]:
    answers = []
    with contextlib.suppress(grpc.RpcError):
        answers.extend(call)
    return answers, *_seen(call)


TALKS: dict[str, Callable[[Caller], Any]] = {
    "unary": lambda caller: caller.unary(b"abc"),
    "empty": lambda caller: caller.unary(b""),
    "metadata, binary too": lambda caller: caller.unary(
        b"metadata", metadata=(("x-mine", "a"), ("x-mine-bin", b"\x00\x01"))
    ),
    "status and details": lambda caller: caller.unary(b"fail"),
    "an exception": lambda caller: caller.unary(b"raise"),
    "a deadline": lambda caller: caller.unary(b"wait", timeout=1.0)[:2],
    "a deadline that the server knows": lambda caller: caller.unary(b"time", timeout=50),
    "no such method": lambda caller: _seen(
        _error(lambda: caller.of("unary_unary", "Nothing")(b""))
    ),
    "gzip": lambda caller: caller.unary(b"a" * 5000, compression=grpc.Compression.Gzip),
    "deflate": lambda caller: caller.unary(b"a" * 5000, compression=grpc.Compression.Deflate),
    "eight megabytes": lambda caller: caller.unary(bytes(range(256)) * (8 << 12)),
    "to the client": lambda caller: _drained(caller.of("unary_stream", "ToClient")(b"a")),
    "to the server": lambda caller: caller.of("stream_unary", "ToServer")(iter([b"a", b"b"])),
    "both ways": lambda caller: caller.both_ways([b"ab", b"", b"c" * 70_000]),
    "both ways, nothing": lambda caller: caller.both_ways([]),
    "an error in mid-stream": lambda caller: caller.both_ways([b"ab", b"fail", b"c"]),
    "large metadata": lambda caller: caller.unary(
        b"metadata", metadata=tuple((f"x-{one}", "a" * 50) for one in range(60))
    ),
}


def _error(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("name", TALKS)
def test_a_client_sees_what_it_sees_without(name: str, backend: Backend, proxy: Proxied) -> None:
    talk = TALKS[name]
    assert talk(Caller(proxy.port)) == talk(Caller(backend.port))
    observed(proxy, 1)


def observed(proxy: Proxied, count: int) -> list[Observation]:
    found = proxy.observed(count)
    assert {one.method for one in found} == {"POST"}
    return found


def test_a_call_is_observed(proxy: Proxied) -> None:
    Caller(proxy.port).unary(b"abc", metadata=(("x-request-id", "r-1"),))
    (one,) = observed(proxy, 1)
    assert (one.path, one.status, one.outcome) == (f"/{SERVICE}/ModelInfer", 200, "ok")
    assert (one.request_body, one.response_body) == (b"abc", b"cba")
    assert (one.prediction_id, one.request_type) == ("r-1", ONE.decode())
    assert 0 < one.first_byte <= one.latency < 10


def test_streams_are_observed_message_by_message(proxy: Proxied) -> None:
    Caller(proxy.port).both_ways([b"ab", b"", b"c"])
    (one,) = observed(proxy, 1)
    assert one.response_body == b"\0\0\0\0\2ba\0\0\0\0\0\0\0\0\0\1c"
    assert one.request_body == b"\0\0\0\0\2ab\0\0\0\0\0\0\0\0\0\1c"
    assert one.response_type == FRAMED.decode()
    assert (one.chunks, one.stream_end) == (3, "completed")


@pytest.mark.parametrize(
    ("talk", "status", "outcome"),
    [
        ("status and details", 400, "client_error"),
        ("an exception", 500, "server_error"),
        ("a deadline", 504, "client_left"),
        ("no such method", 501, "server_error"),
        ("an error in mid-stream", 500, "server_error"),
    ],
)
def test_what_goes_wrong_is_observed(talk: str, status: int, outcome: str, proxy: Proxied) -> None:
    TALKS[talk](Caller(proxy.port))
    (one,) = observed(proxy, 1)
    assert (one.status, one.outcome) == (status, outcome)


def test_a_client_that_cancels_has_left(proxy: Proxied) -> None:
    call = Caller(proxy.port).of("unary_stream", "ToClient")(b"wait")
    assert [next(call) for _ in range(3)] == [b"wait0", b"wait1", b"wait2"]
    call.cancel()
    (one,) = observed(proxy, 1)
    assert (one.status, one.outcome) == (499, "client_left")
    assert one.stream_end == "client_left"


def test_a_client_that_is_gone_has_left(proxy: Proxied) -> None:
    caller = Caller(proxy.port)
    call = caller.of("unary_stream", "ToClient")(b"wait")
    assert next(call) == b"wait0"
    caller.channel.close()
    assert observed(proxy, 1)[0].outcome == "client_left"


def test_a_server_that_dies_is_unavailable() -> None:
    dying = Backend()
    with proxied(dying.port, protocol="grpc") as proxy:
        call = Caller(proxy.port).of("unary_stream", "ToClient")(b"wait")
        assert next(call) == b"wait0"
        dying.server.stop(0).wait(60)
        assert _drained(call)[1] in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert observed(proxy, 1)[0].outcome in {"server_error", "client_left"}
        assert Caller(proxy.port).unary(b"a", timeout=60)[1] is grpc.StatusCode.UNAVAILABLE


def test_compressed_messages_are_decoded(proxy: Proxied) -> None:
    """On the wire they stay as they are; whoever decodes them undoes it, in bounded steps."""
    Caller(proxy.port).unary(b"a" * 5000, compression=grpc.Compression.Gzip)
    (one,) = observed(proxy, 1)
    assert one.request_type == FRAMED.decode()
    assert one.request_body is not None
    assert one.request_body[0] == 1
    assert len(one.request_body) < 100


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_tensors_have_the_same_columns(
    proxy: Proxied, compression: grpc.Compression
) -> None:
    tensor = b"\x0a\x01x\x12\x04FP32\x1a\x01\x40"  # name, type, shape
    message = (
        b"\x0a\x01m\x2a"
        + bytes([len(tensor)])
        + tensor  # model, input, raw contents
        + b"\x3a\x80\x02"
        + np.arange(64, dtype="<f4").tobytes()
    )
    caller = Caller(proxy.port)
    caller.unary(message)
    caller.unary(message, compression=compression)
    plain, compressed = observed(proxy, 2)
    assert compressed.request_type == FRAMED.decode()
    assert len(compressed.request_body or b"") < len(plain.request_body or b"")
    for one in (plain, compressed):
        side = Side()
        decode(bytes(one.request_body or b""), one.request_type, Role.INPUT, one.path, side)
        assert [*side.columns(set())] == ["x"]
        assert np.asarray(side.column("x"), dtype=float).ravel().tolist() == [*range(64)]


def test_a_bomb_in_a_frame_is_refused() -> None:
    packed = gzip.compress(bytes(32 << 20))
    body = b"\x01" + len(packed).to_bytes(4, "big") + packed
    with pytest.raises(Undecodable, match="too_large"):
        decode(body, FRAMED.decode(), Role.INPUT, "", Side())


def test_messages_over_the_cap_pass_and_are_not_kept(backend: Backend) -> None:
    with proxied(backend.port, protocol="grpc", max_body_bytes=1024) as proxy:
        answers, *_ = Caller(proxy.port).both_ways([b"a" * 600, b"b" * 600])
        assert answers == [b"a" * 600, b"b" * 600]
        (one,) = observed(proxy, 1)
        assert (one.request_size, one.request_body, one.response_body) == (1200, None, None)


def test_a_stream_over_the_cap_keeps_its_first_and_its_last_messages(backend: Backend) -> None:
    messages = [b"%03d" % number * 30 for number in range(200)]
    with proxied(backend.port, protocol="grpc", max_body_bytes=2048) as proxy:
        answers, *_ = Caller(proxy.port).both_ways([*messages, b"x" * 4096, *messages])
        assert len(answers) == 401
        (one,) = observed(proxy, 1)
        assert one.request_body is None
        assert one.response_body is None
        assert one.response_type == FRAMED.decode()
        assert one.response_size == 400 * 90 + 4096
        assert one.response_ends is not None
        start, end = (part[5 : 5 + 90] for part in one.response_ends)
        assert start == messages[0][::-1]
        assert one.response_ends[1].endswith(messages[-1][::-1])
        assert end in {message[::-1] for message in messages[-20:]}


def test_a_thousand_calls_at_once(proxy: Proxied) -> None:
    caller = Caller(proxy.port)
    method = caller.of("unary_unary", "ModelInfer")
    calls = [method.future(b"%d" % number) for number in range(1000)]
    assert [call.result() for call in calls] == [(b"%d" % number)[::-1] for number in range(1000)]
    found = observed(proxy, 1000)
    assert {one.request_body for one in found} == {b"%d" % number for number in range(1000)}
    assert all((one.response_body or b"")[::-1] == one.request_body for one in found)


@pytest.mark.parametrize("calls", [0, 60])
def test_clients_that_say_nothing_more_make_room(backend: Backend, calls: int) -> None:
    with proxied(backend.port, protocol="grpc", max_connections=10) as proxy:
        target = f"{HOST}:{proxy.port}"
        with (
            half_open_calls(target, f"/{SERVICE}/ModelInfer", calls, connections=30)
            if calls
            else silent_sockets(target, PREFACE, 100)
        ):
            for _ in range(3):
                caller = Caller(proxy.port)
                assert caller.unary(b"ab", timeout=60.0, wait_for_ready=True)[0] == b"ba"
                caller.channel.close()


def test_a_call_that_waits_for_its_answer_is_not_ended_for_another() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Slow(grpc.GenericRpcHandler):
        def service(self, _: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(self.answer)

        def answer(self, request: bytes, _: Any) -> bytes:
            asked.set()
            go_on.wait(60)
            return request

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Slow()])
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    # A call that is not observed counts, too.
    for method in (f"{SERVICE}/ModelInfer", "grpc.health.v1.Health/Check"):
        with proxied(port, protocol="grpc", max_connections=2) as proxy:
            caller = Caller(proxy.port)
            call: Any = caller.channel.unary_unary(f"/{method}")
            answer = call.future(b"a", timeout=60.0)
            assert asked.wait(60)
            with silent_sockets(f"{HOST}:{proxy.port}", PREFACE, 20):
                go_on.set()
                assert answer.result() == b"a"
            caller.channel.close()
        asked.clear()
        go_on.clear()
    server.stop(0).wait(60)


def test_health_checks_are_not_observed(proxy: Proxied) -> None:
    channel: Any = Caller(proxy.port).channel
    _error(lambda: channel.unary_unary("/grpc.health.v1.Health/Check")(b""))
    assert proxy.outlet.captured == []


@pytest.mark.parametrize("said", [b"\x16\x03\x01 hello", PREFACE + b"\xff" * 100, PREFACE[:10]])
def test_what_is_not_http_2_passes_unread(said: bytes) -> None:
    def handle(connection: Any) -> None:
        connection.sendall(read_until(connection, said)[::-1])

    def talk(connection: Any) -> tuple[bytes, str]:
        connection.sendall(said)
        return read_all(connection)

    bare, seen, proxy = both(handle, talk, protocol="grpc")
    assert seen == bare == (said[::-1], "closed")
    assert proxy.outlet.captured == []


def test_without_a_server_the_connection_ends() -> None:
    with raw_server(lambda _: None) as server:
        port = server.port
    with proxied(port, protocol="grpc") as proxy, client(proxy.port) as connection:
        assert read_all(connection) == (b"", "closed")


class _Heard:
    """All that the frames of one direction say."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        told = Events(
            headers=lambda *what: self.said.append(("headers", *what)),
            data=self._data,
            ended=lambda stream: self.said.append(("ended", stream)),
            reset=lambda *what: self.said.append(("reset", *what)),
            settings=lambda what: self.said.append(("settings", what)),
        )
        self.frames = Frames(told, 4096)

    def _data(self, stream: int, content: bytes) -> None:
        last = self.said[-1] if self.said else None
        if last is not None and last[:2] == ("data", stream):
            self.said[-1] = ("data", stream, last[2] + content)
        else:
            self.said.append(("data", stream, content))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


@given(st.lists(st.integers(1, 25), min_size=1, max_size=60), st.integers(0, 20))
def test_frames_are_read_over_any_cut(cuts: list[int], padding: int) -> None:
    encoder = Encoder()
    block = encoder.encode([(":path", "/a"), ("x", "y" * 50)])
    again = encoder.encode([(":path", "/a"), ("x", "y" * 50)])
    filler = bytes(padding)
    wire = (
        _frame(4, 0, 0, b"\0\3\0\0\0\1")
        + _frame(1, 0x8 | 0x20, 1, bytes([padding]) + b"\0\0\0\0\1" + block[:9] + filler)
        + _frame(9, 0x4, 1, block[9:])
        + _frame(6, 0, 0, b"12345678")
        + _frame(0, 0x8, 1, bytes([padding]) + b"content" + filler)
        + _frame(1, 0x4, 3, again)
        + _frame(0, 0, 3, b"")
        + _frame(99, 0xFF, 3, b"yet to come")
        + _frame(0, 0x1, 3, b"more")
        + _frame(3, 0, 1, b"\0\0\0\x08")
    )
    heard = _Heard()
    position = number = 0
    while position < len(wire):
        part = wire[position : position + cuts[number % len(cuts)]]
        heard.frames.read(part)
        position, number = position + len(part), number + 1
    fields = [(":path", b"/a"), ("x", b"y" * 50)]
    assert heard.said == [
        ("settings", b"\0\3\0\0\0\1"),
        ("headers", 1, fields, False),
        ("data", 1, b"content"),
        ("headers", 3, fields, False),
        ("data", 3, b"more"),
        ("ended", 3),
        ("reset", 1, 8),
    ]


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_end_the_reading(data: bytes) -> None:
    heard = _Heard()
    try:
        heard.frames.read(data)
    except Unreadable:
        return


@pytest.mark.parametrize(
    "wire",
    [
        _frame(1, 0, 1, b"a") + _frame(0, 0, 1, b""),
        _frame(1, 0, 1, b"a" * 4097),
        _frame(1, 0, 1, b"a" * 3000) + _frame(9, 0, 1, b"a" * 3000),
        _frame(1, 0x4, 1, b"\xff" * 20),
        _frame(1, 0x4, 1, Encoder().encode([("x", "\0" * 4000)], huffman=True)) * 3,
    ],
)
def test_headers_that_cannot_be_read_end_the_reading(wire: bytes) -> None:
    with pytest.raises(Unreadable):
        _Heard().frames.read(wire + _frame(1, 0x4, 3, b"\xff\xff\xff\xff\xff\xff\xff"))


def test_a_table_grows_to_what_the_other_side_allows(proxy: Proxied) -> None:
    """Both encoders may then use more than the default of 4096 bytes."""
    http2 = Http2(proxy.proxy_server.settings, proxy.proxy_server.worker)
    size = 16384
    settings = _frame(4, 0, 0, b"\0\1" + size.to_bytes(4, "big"))
    encoder = Encoder()
    encoder.header_table_size = size
    call = [(":path", CALL), ("content-type", "application/grpc"), ("x", "a" * 6000)]
    http2.answered(settings)
    http2.sent(PREFACE + _frame(1, 0x4, 1, encoder.encode(call)))
    http2.sent(_frame(1, 0x4, 3, encoder.encode(call)))
    trailers = Encoder()
    trailers.header_table_size = size
    http2.sent(settings)
    last = [("grpc-status", "0"), ("x", "b" * 6000)]
    http2.answered(_frame(1, 0x5, 1, trailers.encode(last)))
    http2.answered(_frame(1, 0x5, 3, trailers.encode(last)))
    assert [one.path for one in observed(proxy, 2)] == [CALL, CALL]
    with pytest.raises(Unreadable, match="too large"):
        http2.answered(_frame(4, 0, 0, b"\0\1\x7f\xff\xff\xff"))


def test_a_message_over_the_cap_is_not_gathered() -> None:
    messages = Messages(1000)
    reader = MessageReader(messages, lambda *_: pytest.fail("it was kept"))
    reader.read(b"\0" + (5000).to_bytes(4, "big"))
    for _ in range(5):
        reader.read(bytes(1000))
        assert not reader._parts
    assert (messages.size, messages.count, messages.body) == (5000, 1, None)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("100m", 0.1), ("2S", 2.0), ("1H", 3600.0), ("", float("inf")), ("xS", float("inf"))],
)
def test_deadlines_are_read(timeout: str, seconds: float) -> None:
    assert _seconds(timeout) == pytest.approx(seconds)
