"""Capture reads the request's id, stream and caller from its headers, and nothing else."""

import asyncio
import struct
from typing import Any

import msgspec
import pytest
from support.asgi_zoo import JSON_HEADERS, ZOO, echo, exchange, request_of, run, scope_of

from nilometer import NilometerMiddleware
from nilometer.capture.types import Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack

ROW = b'{"amount": 12.5}'
LENGTH = b"inference-header-content-length"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def observations(middleware: NilometerMiddleware) -> list[Observation]:
    worker = middleware._worker
    assert worker.guard.faults == 0
    return unpack(batch_of(worker.sink.take(1000, 1 << 30)))


def seen(
    app: Any, headers: list[tuple[bytes, bytes]] | None = None, query: bytes = b"", **options: Any
) -> Observation:
    middleware = NilometerMiddleware(app, entity="tested", **options)
    scope = scope_of(headers=[*JSON_HEADERS, *(headers or [])], query_string=query)
    run(middleware, scope, request_of(ROW))
    (observation,) = observations(middleware)
    return observation


def step_clock(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    """Let the request path read *now*. C reads the machine's clock, so Python serves the request."""
    monkeypatch.setenv("NILOMETER_SPEEDUPS", "off")
    for module in ("asgi", "exchange", "finisher"):
        monkeypatch.setattr(f"nilometer.capture.{module}.perf_counter", lambda: now[0])


@pytest.mark.parametrize(
    ("headers", "options", "prediction_id"),
    [
        ([], {}, ""),
        ([(b"x-request-id", b"r1")], {}, "r1"),
        ([(b"x-request-id", b"r1"), (b"ce-id", b"c1")], {}, "c1"),
        (
            [(b"x-request-id", b"r1"), (b"x-order", b"o1")],
            {"prediction_id_header": "X-Order"},
            "o1",
        ),
        ([(b"x-request-id", b"r1"), (b"x-order", b"")], {"prediction_id_header": "X-Order"}, "r1"),
        ([(b"traceparent", TRACE)], {}, "0af7651916cd43dd8448eb211c80319c"),
        ([(b"traceparent", b"nonsense")], {}, ""),
        ([(b"x-request-id", b"r" * 1000)], {}, "r" * 256),
    ],
)
def test_the_prediction_id_comes_from_the_first_header_that_has_one(
    headers: list[tuple[bytes, bytes]], options: dict[str, Any], prediction_id: str
) -> None:
    assert seen(echo, headers, **options).prediction_id == prediction_id


def test_a_servers_own_id_counts_where_the_request_has_none() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*JSON_HEADERS, (b"Ce-Id", b"s1"), (b"Content-Type", b"application/json")][1:]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    observation = seen(app)
    assert observation.prediction_id == "s1"
    assert observation.response_type == "application/json"  # whatever the case of its name


@pytest.mark.parametrize("capture", ["bodies", "values"])
@pytest.mark.parametrize("content_type", [b"content-type", b"Content-Type"])
def test_the_lengths_of_json_before_binary_tensors_are_kept(
    content_type: bytes, capture: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        capital = content_type.istitle()
        length = b"Inference-Header-Content-Length" if capital else LENGTH
        headers = [(content_type, b"application/octet-stream"), (length, b"70")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    one = seen(app, [(LENGTH, b"50")], capture=capture)
    assert one.header_lengths == ("50", "70")
    assert (one.share, one.left_out, one.values_only) == (1.0, False, capture == "values")
    assert (one.response_ends, one.prediction_id) == (None, "")
    assert seen(app).header_lengths == ("", "70")
    assert seen(echo).header_lengths is None


def test_an_id_is_made_and_returned_only_where_that_was_asked_for() -> None:
    made = NilometerMiddleware(echo, entity="tested", return_prediction_id="X-Prediction-Id")
    sent, _ = run(made, scope_of(), request_of(ROW))
    headers = dict(sent[0]["headers"])
    (observation,) = observations(made)
    assert len(observation.prediction_id) == 32
    assert headers[b"x-prediction-id"].decode() == observation.prediction_id
    given = scope_of(headers=[*JSON_HEADERS, (b"x-prediction-id", b"mine")])
    sent, _ = run(made, given, request_of(ROW))
    assert dict(sent[0]["headers"])[b"x-prediction-id"] == b"mine"
    assert observations(made)[0].prediction_id == "mine"
    assert sent[0]["headers"][:-1] == JSON_HEADERS  # the application's own stay as they are


def test_trace_parent_and_labels_are_picked_and_no_other_header() -> None:
    headers = [
        (b"traceparent", TRACE),
        (b"x-nilometer-entity", b"feature-store"),
        (b"x-region", b"eu"),
        (b"x-bad", b"\xff" * 300),
        (b"authorization", b"Bearer secret"),
        (b"cookie", b"session=secret"),
    ]
    labels = {"region": "x-region", "missing": "x-missing", "bad": "x-bad"}
    observation = seen(echo, headers, b"token=secret&tier=gold", label_headers=labels)
    assert observation.trace_parent == TRACE.decode()
    assert observation.parent_entity == "feature-store"
    assert observation.labels == {"region": "eu"}
    assert observation.query == ""
    assert b"secret" not in msgspec.msgpack.encode(observation)


@pytest.mark.parametrize(
    ("named", "query"),
    [(("tier",), "tier=gold&tier=b"), (("*",), "tier=gold&token=secret&tier=b"), ((), "")],
)
def test_only_named_query_parameters_are_recorded(named: tuple[str, ...], query: str) -> None:
    observation = seen(echo, query=b"tier=gold&token=secret&tier=b", query_parameters=named)
    assert observation.query == query


def test_a_stream_tells_first_byte_gaps_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    step_clock(monkeypatch, now)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        for step in (0.25, 0.5, 1.0):
            now[0] += step
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body"})
        now[0] += 50.0

    observation = seen(app)
    assert observation.first_byte == 0.25
    assert observation.latency == 1.75
    assert observation.chunks == 3
    assert struct.unpack("<2f", observation.chunk_gaps) == (0.5, 1.0)
    assert observation.stream_end == "completed"


@pytest.mark.parametrize(
    ("silence", "error", "end", "outcome"),
    [
        (1.0, RuntimeError("half-way"), "error", "exception"),
        (30.0, RuntimeError("timeout"), "stalled", "exception"),
        (1.0, asyncio.CancelledError(), "client_left", "client_left"),
        (30.0, asyncio.CancelledError(), "stalled", "client_left"),
        (1.0, type("ClientDisconnect", (Exception,), {})(), "client_left", "client_left"),
    ],
)
def test_a_stream_that_breaks_off_says_how(
    silence: float,
    error: BaseException,
    end: str,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    step_clock(monkeypatch, now)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        for _ in range(2):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        now[0] += silence
        raise error

    observation = seen(app)
    assert (observation.stream_end, observation.outcome) == (end, outcome)
    assert observation.latency == silence


def test_an_answer_in_one_piece_is_no_stream() -> None:
    observation = seen(echo)
    assert (observation.chunks, observation.chunk_gaps, observation.stream_end) == (1, b"", "")
    observation = seen(ZOO["empty"])
    assert (observation.chunks, observation.first_byte) == (0, 0.0)


@pytest.mark.parametrize("pieces", [(b"{}",), (b"{", b"}"), (b"{", b"}", b""), (None,)])
def test_a_background_task_is_no_request_in_flight(pieces: tuple[bytes | None, ...]) -> None:
    gate: list[asyncio.Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for at, piece in enumerate(pieces, 1):
            if piece is None:
                await send({"type": "http.response.pathsend", "path": "/nowhere"})
            else:
                more = at < len(pieces)
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        await gate[0].wait()

    async def scenario() -> None:
        gate.append(asyncio.Event())
        calls = []
        for _ in range(3):
            call = exchange(middleware, scope_of(), request_of(ROW))
            calls.append(asyncio.create_task(call))
            for _ in range(8):
                await asyncio.sleep(0)
        assert middleware._worker.in_flight == 0
        gate[0].set()
        await asyncio.gather(*calls)

    middleware = NilometerMiddleware(app, entity="tested")
    asyncio.run(scenario())
    assert [one.in_flight for one in observations(middleware)] == [1, 1, 1]
    assert middleware._worker.in_flight == 0


def test_requests_in_flight_are_counted_with_themselves() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def waits(scope: Scope, receive: Receive, send: Send) -> None:
            await gate.wait()

        middleware.app = waits
        calls = [
            asyncio.create_task(exchange(middleware, scope_of(), request_of(ROW))) for _ in range(5)
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*calls)

    middleware = NilometerMiddleware(echo, entity="tested")
    asyncio.run(scenario())
    assert sorted(one.in_flight for one in observations(middleware)) == [1, 2, 3, 4, 5]
    assert middleware._worker.in_flight == 0


def test_an_older_workers_batch_is_still_read() -> None:
    older = (1, 0.5, 200, "ok", "POST", "/p", 1, 1, "a/b", "", "a/b", "", b"x", b"y", "now")
    (observation,) = unpack(msgspec.msgpack.encode([older]))
    assert (observation.event_time, observation.chunks, observation.labels) == ("now", 0, None)
