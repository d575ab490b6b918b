"""A middleware whose packed observations a test can read, without an agent and without a thread."""

from collections.abc import Iterable
from typing import Any

import msgspec

from nilometer import NilometerMiddleware
from nilometer.capture import nesting
from nilometer.handoff.plain import lane

HEADERS = [(b"content-type", b"application/json")]
BODY = b'{"score": 0.25}'


def scope_of(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/predict", "headers": [*HEADERS], **more}


def observing(app: Any, *, in_python: bool = False, **settings: Any) -> NilometerMiddleware:
    """Return a middleware around *app* that observes without a background thread."""
    nesting._workers.clear()  # it is the only one of its process
    made = NilometerMiddleware(app, entity="tested", **settings)
    made._worker.ensure_started = lambda: None  # type: ignore[method-assign]
    made._worker.live = True
    if in_python:
        made._plain = None
    return made


def serving(*messages: dict[str, Any]) -> Any:
    """Return an application that reads one message and sends *messages*."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def response(
    body: Any = BODY, status: Any = 200, headers: Any = HEADERS, **more: Any
) -> list[dict[str, Any]]:
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body, **more},
    ]


def run(middleware: Any, scope: Any, incoming: Iterable[Any] = ()) -> list[Any]:
    """Return what the server got; the exception of the application passes."""
    waiting = list(incoming) or [{"type": "http.request", "body": b'{"a": 1}', "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    finish(middleware(scope, receive, send))
    return sent


def finish(awaitable: Any) -> Any:
    """Return the result of an awaitable that never waits."""
    iterator = awaitable.__await__()
    while True:
        try:
            next(iterator)
        except StopIteration as stopped:
            return stopped.value


def packed(middleware: NilometerMiddleware) -> list[bytes]:
    return middleware._worker.sink.take(1 << 20, 1 << 40)


def fields(observation: bytes) -> list[Any]:
    """Return the fields of an observation, without times, which must be plausible."""
    found: list[Any] = msgspec.msgpack.decode(observation)
    assert msgspec.msgpack.encode(found) == observation  # the shortest form of every value
    assert found[0] > 1e18  # a time in nanoseconds
    assert 0.0 <= found[1] < 60.0
    assert 0.0 <= found[16] <= found[1]
    gaps = [len(one) for one in found[18:19]]
    return [*found[2:16], found[16] > 0, found[17], gaps, *found[19:34]]


def in_c(middleware: NilometerMiddleware, scope: Any) -> bool:
    """Return whether C serves a request with *scope*."""

    async def nothing(*_: Any) -> Any:
        return

    made: Any = middleware(scope, nothing, nothing)
    made.close()
    return type(made) is lane.Serving
