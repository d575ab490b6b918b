"""The agent absent, stopped, or talking nonsense; bodies of 100 MB: the host does not notice."""

import asyncio
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.asgi_zoo import JSON_HEADERS, echo, exchange, request_of, scope_of
from support.measures import calm_seconds

from nilometer import NilometerMiddleware
from nilometer.capture.types import ASGIApp, Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.profiling.observation import unpack

ROW = b'{"amount": 12.5}'


@contextmanager
def absent(path: Path) -> Iterator[None]:
    del path
    yield


@contextmanager
def stopped(path: Path) -> Iterator[None]:
    """The kernel takes connections for it; it never does."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        yield


@contextmanager
def garbage(path: Path) -> Iterator[None]:
    """Answers every connection with noise, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        listener.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection, suppress(OSError):  # a probe has left again
                    connection.sendall(bytes(range(256)) * 16)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


async def longest_stall(serve: Callable[[], Any], seconds: float) -> float:
    """The longest time for which the loop did not come round while requests were served."""
    longest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        before = calm_seconds()
        await serve()
        await asyncio.sleep(0)
        longest = max(longest, calm_seconds() - before)
    return longest


@pytest.mark.parametrize(("state", "longest_stop"), [(absent, 0.5), (stopped, 1.5), (garbage, 1.5)])
def test_an_agent_that_is_no_use_costs_the_host_nothing(
    state: Any, longest_stop: float, tmp_path: Path
) -> None:
    path = tmp_path / "agent.sock"
    middleware = NilometerMiddleware(
        echo, entity="tested", agent=f"unix:{path}", shutdown_seconds=0.5
    )

    async def serve() -> None:
        sent, error = await exchange(middleware, scope_of(), request_of(ROW))
        assert (error, sent[1]["body"]) == (None, ROW)

    with state(path):
        stall = asyncio.run(longest_stall(serve, 1.0))
        before = calm_seconds()
        middleware._worker.stop()
        took = calm_seconds() - before
    # A thread that blocked the loop would do so for the timeout of a connection: 200 ms and more.
    assert stall < 0.15
    assert took < longest_stop
    assert middleware._worker.guard.faults == 0


def peak_bytes(app: ASGIApp, chunks: int, size: int) -> int:
    """Most bytes alive at once while *app* reads and answers *chunks* chunks of *size* bytes."""
    left = chunks
    passed = 0

    async def receive() -> Any:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(size), "more_body": left > 0}

    async def send(message: Any) -> None:
        nonlocal passed
        passed += len(message.get("body", b""))

    async def serve() -> None:
        await app(scope_of(), receive, send)

    asyncio.run(serve())  # what is imported or cached once
    left, passed = chunks, 0
    tracemalloc.start()
    try:
        asyncio.run(serve())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert passed == chunks * size
    return peak


def test_a_hundred_megabytes_each_way_hold_two_caps_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def passes_on(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    monkeypatch.setattr("nilometer.handoff.worker.Worker.ensure_started", lambda _: None)
    cap = 256 << 10
    middleware = NilometerMiddleware(passes_on, entity="tested", max_body_bytes=cap)
    bare = peak_bytes(passes_on, 1600, 65536)
    watched = peak_bytes(middleware, 1600, 65536)
    # Each side's buffer grows to its cap before it is let go; a growing buffer is an eighth larger.
    assert watched - bare <= 2 * cap * 1.25
    (first, _) = unpack(batch_of(middleware._worker.sink.take(10, 1 << 30)))
    assert (first.request_size, first.response_size) == (1600 * 65536, 1600 * 65536)
    assert first.request_body is first.response_body is None


def test_one_message_over_the_cap_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nilometer.handoff.worker.Worker.ensure_started", lambda _: None)
    middleware = NilometerMiddleware(echo, entity="tested", max_body_bytes=1024)
    asyncio.run(exchange(middleware, scope_of(), request_of(bytes(10_000_000))))
    (packed,) = middleware._worker.sink.take(10, 1 << 30)
    assert len(packed) < 200
    (captured,) = unpack(batch_of([packed]))
    assert captured.request_body is captured.response_body is None
