"""Small ASGI applications, and a recorder of the messages that a server sees from them."""

import asyncio
from array import array
from collections import UserDict
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import numpy as np

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


def as_served(message: Message) -> dict[str, Any]:
    """Return what a server reads from *message*: headers once, in order, as bytes."""
    served = dict(message)
    headers = served.get("headers")
    if headers is not None and not is_usual(headers):
        served["headers"] = [(bytes(name), bytes(value)) for name, value in headers]
    if isinstance(served.get("body"), bytearray | memoryview):
        served["body"] = bytes(served["body"])
    return served


def is_usual(headers: Any) -> bool:
    return isinstance(headers, list) and all(
        type(pair) is tuple and all(type(part) is bytes for part in pair) for pair in headers
    )


async def exchange(
    app: ASGIApp, scope: Scope, incoming: Iterable[Message]
) -> tuple[list[Message], BaseException | None]:
    """Return everything that the application sent, and the exception that it raised."""
    waiting = list(incoming)
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(as_served(message))

    try:
        await app(scope, receive, send)
    except BaseException as error:  # the raised exception is part of the result
        return sent, error
    return sent, None


async def trace(
    app: ASGIApp, scope: Scope, incoming: Iterable[Message]
) -> tuple[list[tuple[str, Any]], BaseException | None]:
    """Return all messages between server and application, in both directions, in order."""
    waiting = list(incoming)
    passed: list[tuple[str, Any]] = []

    async def receive() -> Message:
        message = waiting.pop(0) if waiting else {"type": "http.disconnect"}
        passed.append(("receive", dict(message)))
        return message

    async def send(message: Message) -> None:
        passed.append(("send", as_served(message)))

    try:
        await app(scope, receive, send)
    except BaseException as error:  # the raised exception is part of the result
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
    raise ZeroDivisionError("model")  # like Starlette's outermost layer


async def rewrites_its_scope(scope: Scope, receive: Receive, send: Send) -> None:
    scope["path"] = "/inner"  # like older routers with mounted applications
    scope["headers"] = []
    await echo(scope, receive, send)


async def compressed_outside(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = list(JSON_HEADERS)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    headers.append((b"content-encoding", b"gzip"))  # an outer middleware changes the header list
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


def answering(headers: Any, *bodies: Any) -> ASGIApp:
    """Return an application that responds with the result of *headers*, and a message per body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers()})
        for body in bodies[:-1]:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": bodies[-1]})

    return app


MORE_HEADERS = [(b"set-cookie", b"a=b"), *JSON_HEADERS, (b"x-last", b"1")]
ANSWER = b'{"score": 1}'


class Headers:
    """An iterable without any other method; can be iterated repeatedly."""

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(MORE_HEADERS)


class ReadOnce:
    """An iterable that can be iterated only once."""

    def __init__(self) -> None:
        self._pairs = iter(MORE_HEADERS)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._pairs


def broken_headers() -> Iterator[tuple[bytes, bytes]]:
    yield MORE_HEADERS[0]
    raise LookupError("no more headers")


class Answer(dict[str, Any]):
    """A message whose class is defined by a framework."""


def answering_with(start: Any, *messages: Any) -> ASGIApp:
    """Return an application that sends these messages unchanged."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start)
        for message in messages:
            await send(message)

    return app


def more_body_of(more: Any, last: Any) -> ASGIApp:
    """Return an application whose `more_body` is not a boolean."""
    return answering_with(
        {"type": "http.response.start", "status": 200, "headers": JSON_HEADERS},
        {"type": "http.response.body", "body": ANSWER[:5], "more_body": more},
        {"type": "http.response.body", "body": ANSWER[5:], "more_body": last},
    )


START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": MORE_HEADERS,
}
BODY: dict[str, Any] = {"type": "http.response.body", "body": ANSWER}


async def reuses_its_messages(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = [list(pair) for pair in MORE_HEADERS]
    chunk = bytearray(ANSWER[:5])
    message: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": headers}
    await send(message)
    headers.clear()
    message.clear()
    message.update(type="http.response.body", body=chunk, more_body=True)
    await send(message)
    chunk[:] = ANSWER[5:]
    message["more_body"] = False
    await send(message)
    message.clear()
    chunk.clear()


async def with_made_headers(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(Answer(START, headers=(pair for pair in MORE_HEADERS)))
    await send(Answer(BODY))


async def returns_a_value(scope: Scope, receive: Receive, send: Send) -> Any:
    await echo(scope, receive, send)
    return "done"


async def files_and_bodies(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.zerocopysend", "file": 7, "more_body": True})
    await send({"type": "http.response.body", "body": ANSWER})


async def trailers_from_a_generator(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({**START, "trailers": True})
    await send(BODY)
    await send({"type": "http.response.trailers", "headers": (pair for pair in MORE_HEADERS)})


# Forms that the specification allows but that are rarely used; each responds with `ANSWER`, as
# JSON.
UNUSUAL: dict[str, ASGIApp] = {
    "headers_of_a_generator": answering(lambda: (pair for pair in MORE_HEADERS), ANSWER),
    "headers_of_a_map": answering(lambda: map(list, MORE_HEADERS), ANSWER),
    "headers_of_an_iterator": answering(lambda: iter(MORE_HEADERS), ANSWER),
    "headers_of_a_view": answering(lambda: dict(MORE_HEADERS).items(), ANSWER),
    "headers_of_a_tuple_of_lists": answering(lambda: tuple(map(list, MORE_HEADERS)), ANSWER),
    "headers_of_an_iterable": answering(Headers, ANSWER),
    "headers_of_an_iterable_once": answering(ReadOnce, ANSWER),
    "headers_of_generators": answering(lambda: (iter(pair) for pair in MORE_HEADERS), ANSWER),
    "headers_of_bytearrays": answering(
        lambda: [(bytearray(name), bytearray(value)) for name, value in MORE_HEADERS], ANSWER
    ),
    "headers_of_memoryviews": answering(
        lambda: [(memoryview(name), memoryview(value)) for name, value in MORE_HEADERS], ANSWER
    ),
    "headers_in_capitals": answering(
        lambda: [(name.title(), value) for name, value in MORE_HEADERS], ANSWER
    ),
    "bodies_of_bytearrays": answering(
        lambda: MORE_HEADERS, bytearray(ANSWER[:5]), bytearray(ANSWER[5:])
    ),
    "bodies_of_memoryviews": answering(
        lambda: MORE_HEADERS, memoryview(ANSWER[:4]), memoryview(ANSWER)[4:]
    ),
    "body_of_wide_items": answering(lambda: MORE_HEADERS, memoryview(array("I", ANSWER))),
    "body_read_backwards": answering(
        lambda: MORE_HEADERS, memoryview(ANSWER[:4:-1])[::-1][:0], memoryview(ANSWER[::-1])[::-1]
    ),
    "messages_of_a_mapping": answering_with(MappingProxyType(START), MappingProxyType(BODY)),
    "messages_of_a_user_dict": answering_with(UserDict(START), UserDict(BODY)),
    "messages_of_a_subclass": answering_with(Answer(START), Answer(BODY)),
    "subclass_with_a_generator": with_made_headers,
    "more_body_is_a_number": more_body_of(1, 0),
    "more_body_is_text": more_body_of("yes", ""),
    "more_body_is_none": more_body_of([0], None),
    "more_body_is_numpys": more_body_of(np.True_, np.False_),
    "status_of_an_enumeration": answering_with({**START, "status": HTTPStatus.OK}, BODY),
    "status_of_numpy": answering_with({**START, "status": np.int64(200)}, BODY),
    "reuses_its_messages": reuses_its_messages,
    "trailers_from_a_generator": trailers_from_a_generator,
}


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
        returns_a_value,
        files_and_bodies,
    )
} | UNUSUAL
ZOO["headers_that_raise"] = answering(broken_headers, ANSWER)
ZOO["headers_of_pairs_read_once"] = answering(lambda: [iter(pair) for pair in MORE_HEADERS], ANSWER)
ZOO["start_without_status"] = answering_with({"type": "http.response.start"}, BODY)
ZOO["message_without_type"] = answering_with({}, {"type": ["http.response.start"]})
