"""Small ASGI applications and a recorder of what a server would see of them."""

import asyncio
from collections.abc import Iterable
from typing import Any

from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send

JSON_HEADERS = [(b"content-type", b"application/json")]


def scope_of(path: str = "/predict", method: str = "POST", **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": JSON_HEADERS,
        **more,
    }


def request_of(*chunks: bytes) -> list[Message]:
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": index < last}
        for index, chunk in enumerate(chunks or (b"",))
    ]


async def exchange(
    app: ASGIApp, scope: Scope, incoming: Iterable[Message]
) -> tuple[list[Message], BaseException | None]:
    """Everything the application sent, and what it raised."""
    waiting = list(incoming)
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    try:
        await app(scope, receive, send)
    except BaseException as error:  # the raised exception is part of the answer
        return sent, error
    return sent, None


async def trace(
    app: ASGIApp, scope: Scope, incoming: Iterable[Message]
) -> tuple[list[tuple[str, Any]], BaseException | None]:
    """What passes between server and application, both ways, in order."""
    waiting = list(incoming)
    passed: list[tuple[str, Any]] = []

    async def receive() -> Message:
        message = waiting.pop(0) if waiting else {"type": "http.disconnect"}
        passed.append(("receive", dict(message)))
        return message

    async def send(message: Message) -> None:
        passed.append(("send", dict(message)))

    try:
        await app(scope, receive, send)
    except BaseException as error:  # the raised exception is part of the answer
        return passed, error
    return passed, None


def run(
    app: ASGIApp, scope: Scope, incoming: Iterable[Message]
) -> tuple[list[Message], BaseException | None]:
    return asyncio.run(exchange(app, scope, incoming))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": body})


async def answers_before_reading(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})
    await receive()


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ZeroDivisionError("model")


async def raises_in_mid_stream(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": b'{"a":', "more_body": True})
    raise RuntimeError("half-way")


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": JSON_HEADERS, "trailers": True}
    )
    for chunk in (b'{"s', b'core": ', b"0.5}"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    await send(
        {"type": "http.response.trailers", "headers": [(b"x", b"y")], "more_trailers": False}
    )


async def unknown_messages(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.debug", "info": {"template": "x"}})
    await send({"type": "http.response.push", "path": "/style.css", "headers": []})
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.pathsend", "path": "/dev/null"})


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def mutable_bodies(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": memoryview(b'{"score": 1}')})


async def malformed_messages(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": "two hundred", "headers": None})
    await send({"type": "http.response.body", "body": 7})


async def early_hints(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": b"{}"})


async def zero_copy(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.zerocopysend", "file": 7, "more_body": True})
    await send({"type": "http.response.zerocopysend", "file": 8})


async def sends_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    for status in (200, 500):
        await send({"type": "http.response.start", "status": status, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b'{"status": %d}' % status})


async def sends_after_the_client_left(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": b"{}"})


async def raises_after_the_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await echo(scope, receive, send)
    raise RuntimeError("background task")


async def answers_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"Internal Server Error"})
    raise ZeroDivisionError("model")  # as Starlette's outermost layer does


async def rewrites_its_scope(scope: Scope, receive: Receive, send: Send) -> None:
    scope["path"] = "/inner"  # as routers of mounted applications did
    scope["headers"] = []
    await echo(scope, receive, send)


async def compressed_outside(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = list(JSON_HEADERS)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    headers.append((b"content-encoding", b"gzip"))  # an outer middleware writes into our list
    await send({"type": "http.response.body", "body": b"{}"})


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def dribbles(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    for _ in range(1500):
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def cannot_receive(scope: Scope, receive: Receive, send: Send) -> None:
    raise OSError((await receive())["no such key"])


ZOO: dict[str, ASGIApp] = {
    app.__name__: app
    for app in (
        echo,
        answers_before_reading,
        raises,
        raises_in_mid_stream,
        streams,
        unknown_messages,
        silent,
        mutable_bodies,
        malformed_messages,
        early_hints,
        zero_copy,
        sends_twice,
        sends_after_the_client_left,
        raises_after_the_answer,
        answers_and_raises,
        rewrites_its_scope,
        compressed_outside,
        empty,
        dribbles,
        cannot_receive,
    )
}
