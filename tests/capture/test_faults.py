"""Fail-open: whatever breaks on our side, the host's answer stays the same."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.asgi_zoo import JSON_HEADERS, exchange, request_of, scope_of
from support.fake_agent import FakeAgent
from support.fault_points import (
    KINDS,
    OF_ASGI,
    OF_BOTH,
    OF_WSGI,
    ON_THE_PATH,
    ON_THE_THREAD,
    injected,
)
from support.wsgi_zoo import JSON, ZOO, Served, environ_of

import nilometer
from nilometer import NilometerMiddleware, NilometerWSGIMiddleware
from nilometer.capture.types import (
    ASGIApp,
    Environ,
    Message,
    Receive,
    Scope,
    Send,
    StartResponse,
    WSGIApp,
)

HEADERS = [*JSON_HEADERS, (b"x-region", b"eu"), (b"traceparent", b"00-1-2-01")]
CHUNKS = (b'{"amount":', b" 12.5}")


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    nilometer.log(amount=[1, 2])
    nilometer.label(region="eu")
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": body})


async def streamed(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 404, "headers": JSON_HEADERS})
    for chunk in (b"[1,", bytearray(b"2,"), b"3]"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(3):
        nilometer.log(token=number)
        chunk = b"data: %d\n\n" % number
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    raise ConnectionError("half-way")


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    await send({"type": "websocket.close", "code": 1000})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"Internal Server Error"})
    raise ZeroDivisionError("model")


ANSWERS: dict[str, tuple[ASGIApp, dict[str, Any], list[Message]]] = {
    "plain": (plain, scope_of(headers=HEADERS), request_of(*CHUNKS)),
    "stream": (streamed, scope_of(headers=HEADERS), request_of(*CHUNKS)),
    "events": (events, scope_of(headers=HEADERS), request_of(b"{}")),
    "websocket": (
        websocket,
        {"type": "websocket", "path": "/ws", "headers": []},
        [{"type": "websocket.connect"}],
    ),
    "error": (failing, scope_of(headers=HEADERS), request_of(b"{}")),
}


def read_to_the_end(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = b"".join(iter(lambda: environ["wsgi.input"].read(5), b""))
    nilometer.log(amount=[1, 2])
    nilometer.label(region="eu")
    start_response("200 OK", JSON)
    return [body]


def logged_stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    for number in range(3):
        nilometer.log(token=number)
        yield b"data: %d\n\n" % number
    raise ConnectionError("half-way")


WSGI_HEADERS = {"HTTP_X_REGION": "eu", "HTTP_TRACEPARENT": "00-1-2-01"}
# application, keys of the request, chunks after which the client leaves
WSGI_ANSWERS: dict[str, tuple[WSGIApp, dict[str, Any], int | None]] = {
    "plain": (read_to_the_end, WSGI_HEADERS, None),
    "stream": (ZOO["generates"], WSGI_HEADERS, None),
    "events": (logged_stream, WSGI_HEADERS, None),
    "left": (ZOO["closing"], WSGI_HEADERS, 1),
    "lines": (ZOO["reads_lines"], WSGI_HEADERS, None),
    "written": (ZOO["writes"], WSGI_HEADERS, None),
    "file": (ZOO["file_of_the_server"], WSGI_HEADERS, None),
    "error": (ZOO["raises"], WSGI_HEADERS, None),
    "again": (ZOO["starts_again"], WSGI_HEADERS, None),
}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


async def asgi_answers(wrapped: Mapping[str, ASGIApp], times: int) -> list[Any]:
    """What a client sees of each application: every message, and what was raised."""
    seen = []
    for _ in range(times):
        for name, (_, scope, incoming) in ANSWERS.items():
            sent, error = await exchange(wrapped[name], dict(scope), list(incoming))
            seen.append((name, sent, type(error), str(error)))
    return seen


def wsgi_answers(wrapped: Mapping[str, WSGIApp], times: int) -> list[Any]:
    """What a server sees of each application: every call, and what was raised."""
    seen = []
    for _ in range(times):
        for name, (_, keys, leaves_after) in WSGI_ANSWERS.items():
            served = Served(wrapped[name], environ_of(**keys), leaves_after)
            seen.append((name, *served.seen))
    return seen


def without_the_returned_id(seen: list[Any]) -> list[Any]:
    """The header that was asked for is an answer of ours; all else must be the application's."""
    for _, sent, _, _ in seen:
        for message in sent:
            if isinstance(message, dict) and "headers" in message:
                message["headers"] = [
                    pair for pair in message["headers"] if pair[0] != b"x-made-id"
                ]
            elif isinstance(message, tuple) and message[0] == "start":
                message[2][:] = [pair for pair in message[2] if pair[0] != "x-made-id"]
    return seen


def asgi_seen(wrap: Callable[[Any], Any], times: int) -> tuple[list[Any], list[Any]]:
    """The wrapped applications, and what a client sees of them."""
    wrapped = {name: wrap(app) for name, (app, _, _) in ANSWERS.items()}
    return list(wrapped.values()), asyncio.run(asgi_answers(wrapped, times))


def wsgi_seen(wrap: Callable[[Any], Any], times: int) -> tuple[list[Any], list[Any]]:
    """The wrapped applications, and what a server sees of them."""
    wrapped = {name: wrap(app) for name, (app, _, _) in WSGI_ANSWERS.items()}
    return list(wrapped.values()), wsgi_answers(wrapped, times)


COLUMNS = {
    "ASGI": (NilometerMiddleware, asgi_seen, {**OF_ASGI, **OF_BOTH, **ON_THE_THREAD}),
    "WSGI": (NilometerWSGIMiddleware, wsgi_seen, {**OF_WSGI, **OF_BOTH, **ON_THE_THREAD}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("protocol", "point"),
    [(protocol, point) for protocol, (_, _, points) in COLUMNS.items() for point in points],
)
def test_a_fault_at_any_point_leaves_every_answer_as_it_is(
    protocol: str, point: str, kind: str, agent: FakeAgent
) -> None:
    make, see, _ = COLUMNS[protocol]
    _, bare = see(lambda app: app, 2)

    def wrap(app: Any) -> Any:
        return make(
            app,
            entity="tested",
            agent=agent.address,
            flush_seconds=0.005,
            shutdown_seconds=0.05,
            return_prediction_id="x-made-id",
            label_headers={"region": "x-region"},
            redact_fields=("ssn",),
        )

    with injected(point, kind) as fault:
        wrapped, seen = see(wrap, 2)
        assert without_the_returned_id(seen) == bare
        reached_by = threads_that_reach(fault)
        fault.released.set()
        for middleware in wrapped:
            middleware._worker.stop()
    assert fault.reached or reached_by, f"{point} was never reached"
    if point in ON_THE_PATH and kind not in {"hang", "garbage"}:
        assert any(middleware._worker.guard.faults for middleware in wrapped)


def threads_that_reach(fault: Any) -> int:
    """Wait, within reason, until a thread of ours has come to the point."""
    deadline = time.monotonic() + 60
    while not fault.reached and time.monotonic() < deadline:
        time.sleep(0.002)
    return int(fault.reached)


def test_there_are_thirty_points_six_kinds_and_five_answers() -> None:
    for _, _, points in COLUMNS.values():
        assert len(points) >= 30
    assert len(KINDS) == 6
    assert min(len(ANSWERS), len(WSGI_ANSWERS)) >= 5
