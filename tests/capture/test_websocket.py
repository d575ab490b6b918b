"""A WebSocket connection is one observation: what passed, how long, and how it ended."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from enum import IntEnum
from typing import Any

import pytest
from support.asgi_zoo import run

from nilometer import NilometerMiddleware
from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack

CONNECT: Message = {"type": "websocket.connect"}
SCOPE = {"type": "websocket", "path": "/ws", "headers": []}


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def offered(middleware: NilometerMiddleware) -> list[Observation]:
    worker = middleware._worker
    assert worker.guard.faults == 0
    packed = worker.sink.take(1000, 1 << 30)
    return unpack(batch_of(packed)) if packed else []


def disconnect(code: Any = 1005) -> Message:
    return {"type": "websocket.disconnect", "code": code}


def text(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


class CloseReason(IntEnum):
    """Close codes as wsproto names them; uvicorn passes them on like this."""

    NORMAL_CLOSURE = 1000


class Socket:
    """An application that accepts, echoes until the client leaves, and may do otherwise."""

    def __init__(self, *sends: Message, raises: BaseException | None = None) -> None:
        self.sends = sends
        self.raises = raises

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        for message in self.sends or ({"type": "websocket.accept"},):
            await send(message)
        while not any(one["type"] == "websocket.close" for one in self.sends):
            message = await receive()
            if message["type"] == "websocket.disconnect":
                break
            await send({**message, "type": "websocket.send"})
        if self.raises is not None:
            raise self.raises


class Closing(Socket):
    """An application that also closes after its client has left, as `finally` often does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        await send({"type": "websocket.close", "code": 1000})


def seen(app: ASGIApp, *incoming: Message, **options: Any) -> Observation:
    middleware = NilometerMiddleware(app, entity="tested", **options)
    bare = run(app, dict(SCOPE), [CONNECT, *incoming])
    assert run(middleware, dict(SCOPE), [CONNECT, *incoming]) == bare
    (one,) = offered(middleware)
    return one


ACCEPT: Message = {"type": "websocket.accept"}


def close(code: Any) -> Message:
    return {"type": "websocket.close", "code": code}


def test_messages_and_bytes_are_counted_in_both_directions() -> None:
    binary: Message = {"type": "websocket.receive", "bytes": b"\x00" * 7, "text": None}
    one = seen(Socket(), text("ab"), text("Zoë"), binary, disconnect(1000))
    assert one.websocket == (3, 3, 1000)
    assert (one.request_size, one.response_size) == (2 + 4 + 7, 2 + 4 + 7)
    assert (one.method, one.path, one.outcome) == ("WEBSOCKET", "/ws", "closed")
    assert (one.request_body, one.response_body, one.status) == (None, None, 0)
    assert one.latency >= 0


@pytest.mark.parametrize(
    ("app", "incoming", "end", "code"),
    [
        (Socket(), [disconnect(1000)], "closed", 1000),
        (Socket(), [disconnect(1005)], "client_left", 1005),
        (Socket(), [disconnect(1001)], "client_left", 1001),
        (Socket(), [disconnect(1006)], "client_left", 1006),
        (Socket(), [disconnect(1009)], "close_code", 1009),
        (Socket(), [disconnect(4321)], "close_code", 4000),
        (Socket(), [disconnect("1000")], "client_left", 1005),
        (Socket(ACCEPT, close(1000)), [], "closed", 1000),
        (Socket(ACCEPT, close(4003)), [], "close_code", 4003),
        (Socket(ACCEPT, close(1011)), [], "server_error", 1011),
        (Socket(close(1008)), [], "refused", 0),
        (Socket(raises=ZeroDivisionError()), [disconnect(1006)], "client_left", 1006),
        (Socket(), [disconnect(CloseReason.NORMAL_CLOSURE)], "closed", 1000),
        (Closing(), [disconnect(1000)], "closed", 1000),
        (Closing(), [disconnect(1006)], "client_left", 1006),
        (Closing(), [disconnect(1012)], "close_code", 1012),
    ],
)
def test_the_end_of_a_connection_is_told(
    app: ASGIApp, incoming: Sequence[Message], end: str, code: int
) -> None:
    one = seen(app, *incoming)
    assert one.websocket is not None
    assert (one.outcome, one.websocket[2]) == (end, code)


def test_an_application_that_raises_is_a_server_error() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        raise ZeroDivisionError("model")

    middleware = NilometerMiddleware(failing, entity="tested")
    _, raised = run(middleware, dict(SCOPE), [CONNECT])
    assert isinstance(raised, ZeroDivisionError)
    (one,) = offered(middleware)
    assert (one.outcome, one.websocket) == ("server_error", (0, 0, 0))


def test_an_application_that_returns_without_an_answer_is_a_server_error() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    assert seen(silent).outcome == "server_error"


def test_an_application_that_returns_without_closing_leaves_an_abnormal_code() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)

    one = seen(hasty)
    assert (one.outcome, one.websocket) == ("close_code", (0, 0, 1006))


@pytest.mark.parametrize(("status", "end"), [(403, "refused"), (503, "server_error")])
def test_a_refusal_with_an_http_answer_is_told_by_its_status(status: int, end: str) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    assert seen(refusing).outcome == end


@pytest.mark.parametrize("handles", [True, False], ids=["handled", "raised"])
@pytest.mark.parametrize("accepts", [True, False], ids=["open", "before it is open"])
def test_a_send_that_fails_tells_that_the_client_left(*, handles: bool, accepts: bool) -> None:
    """Streams of text only send, so they never receive that the client has left."""

    async def pushing(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(ACCEPT)
            await send({"type": "websocket.send", "text": "tick"})
        except OSError:
            if not handles:
                raise

    async def receive() -> Message:
        return CONNECT

    async def send(message: Message) -> None:
        if not accepts or message != ACCEPT:
            raise OSError("the connection is gone")

    middleware = NilometerMiddleware(pushing, entity="tested")
    with nullcontext() if handles else pytest.raises(OSError, match="gone"):
        asyncio.run(middleware(dict(SCOPE), receive, send))
    (one,) = offered(middleware)
    assert one.websocket is not None
    assert (one.outcome, one.websocket[2]) == ("client_left", 1006)


def test_an_application_that_the_server_cancels_early_has_lost_its_client() -> None:
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    middleware = NilometerMiddleware(waiting, entity="tested")
    run(middleware, dict(SCOPE), [CONNECT])
    assert [one.outcome for one in offered(middleware)] == ["client_left"]


def test_messages_pass_as_the_same_objects() -> None:
    passed: list[Any] = []
    sent = {"type": "websocket.send", "text": "x"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(await receive())
        await send(sent)

    async def receive() -> Message:
        return CONNECT

    async def send(message: Message) -> None:
        passed.append(message)

    asyncio.run(NilometerMiddleware(app, entity="tested")(dict(SCOPE), receive, send))
    assert passed[0] is CONNECT
    assert passed[1] is sent


def test_an_excluded_path_is_not_counted() -> None:
    middleware = NilometerMiddleware(Socket(), entity="tested", exclude=["/ws"])
    run(middleware, dict(SCOPE), [CONNECT, disconnect()])
    assert offered(middleware) == []


@pytest.mark.parametrize("rule", ["/live/*", "WEBSOCKET|GET", "route=/live/{room}"])
def test_a_rule_excludes_connections(rule: str) -> None:
    scope = {**SCOPE, "root_path": "/api", "path": "/api/live/7"}
    middleware = NilometerMiddleware(Socket(), entity="tested", exclude=[rule])
    run(middleware, dict(scope), [CONNECT, disconnect()])
    assert offered(middleware) == []


def test_a_rule_with_another_method_excludes_no_connection() -> None:
    scope = {**SCOPE, "root_path": "/api", "path": "/api/live/7"}
    middleware = NilometerMiddleware(Socket(), entity="tested", exclude=["GET|POST /live/*"])
    run(middleware, scope, [CONNECT, disconnect()])
    (one,) = offered(middleware)
    assert (one.path, one.route) == ("/live/7", "")


def test_a_connection_has_the_template_of_its_route_if_a_label_asks_for_it() -> None:
    scope = {**SCOPE, "path": "/live/7"}

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {"room": "7"}
        await Socket()(scope, receive, send)

    middleware = NilometerMiddleware(routed, entity="tested", labels={"route": "{route}"})
    run(middleware, scope, [CONNECT, disconnect()])
    (one,) = offered(middleware)
    assert (one.path, one.route) == ("/live/7", "/live/{room}")


@pytest.mark.parametrize("inner_entity", ["inner", None])
def test_of_middlewares_around_each_other_one_counts(
    inner_entity: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_ENTITY", "by-environment")
    named = {"entity": inner_entity} if inner_entity else {}
    inner = NilometerMiddleware(Socket(), **named)  # type: ignore[arg-type]
    outer = NilometerMiddleware(inner, entity="outer")
    scope = dict(SCOPE)
    run(outer, scope, [CONNECT, text("a"), disconnect()])
    counts = len(offered(inner)), len(offered(outer))
    assert counts == ((1, 0) if inner_entity else (0, 1))
    assert scope == SCOPE
