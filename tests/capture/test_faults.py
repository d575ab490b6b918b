"""Fail-open: whatever breaks on our side, the host's answer stays the same."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.asgi_zoo import JSON_HEADERS, exchange, request_of, scope_of
from support.fake_agent import FakeAgent
from support.fault_points import KINDS, ON_THE_PATH, POINTS, injected

import nilometer
from nilometer import NilometerMiddleware
from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send

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


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


async def answers(wrapped: Mapping[str, ASGIApp], times: int) -> list[Any]:
    """What a client sees of each application: every message, and what was raised."""
    seen = []
    for _ in range(times):
        for name, (_, scope, incoming) in ANSWERS.items():
            sent, error = await exchange(wrapped[name], dict(scope), list(incoming))
            seen.append((name, sent, type(error), str(error)))
    return seen


def without_the_returned_id(seen: list[Any]) -> list[Any]:
    """The header that was asked for is an answer of ours; all else must be the application's."""
    for _, sent, _, _ in seen:
        for message in sent:
            if "headers" in message:
                message["headers"] = [
                    pair for pair in message["headers"] if pair[0] != b"x-made-id"
                ]
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_fault_at_any_point_leaves_every_answer_as_it_is(
    point: str, kind: str, agent: FakeAgent
) -> None:
    bare = asyncio.run(answers({name: app for name, (app, _, _) in ANSWERS.items()}, 2))
    with injected(point, kind) as fault:
        wrapped = {
            name: NilometerMiddleware(
                app,
                entity="tested",
                agent=agent.address,
                flush_seconds=0.005,
                shutdown_seconds=0.05,
                return_prediction_id="x-made-id",
                label_headers={"region": "x-region"},
                redact_fields=("ssn",),
            )
            for name, (app, _, _) in ANSWERS.items()
        }
        seen = without_the_returned_id(asyncio.run(answers(wrapped, 2)))
        assert seen == bare
        reached_by = threads_that_reach(wrapped, fault)
        fault.released.set()
        for middleware in wrapped.values():
            middleware._worker.stop()
    assert fault.reached or reached_by, f"{point} was never reached"
    if point in ON_THE_PATH and kind not in {"hang", "garbage"}:
        assert any(middleware._worker.guard.faults for middleware in wrapped.values())


def threads_that_reach(wrapped: dict[str, NilometerMiddleware], fault: Any) -> int:
    """Wait, within reason, until a thread of ours has come to the point."""
    deadline = time.monotonic() + 60
    while not fault.reached and time.monotonic() < deadline:
        time.sleep(0.002)
    return int(fault.reached)


def test_there_are_thirty_points_six_kinds_and_five_answers() -> None:
    assert len(POINTS) >= 30
    assert len(KINDS) == 6
    assert len(ANSWERS) == 5
