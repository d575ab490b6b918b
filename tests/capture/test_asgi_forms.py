"""Forms that ASGI allows beyond what uvicorn sends: the server's answer and our record of it."""

import asyncio
from collections import UserDict
from collections.abc import Iterator
from typing import Any

import pytest
from support.asgi_zoo import (
    ANSWER,
    MORE_HEADERS,
    UNUSUAL,
    ZOO,
    answering_with,
    as_served,
    echo,
    request_of,
    run,
    scope_of,
    trace,
)

from nilometer import NilometerMiddleware
from nilometer.capture.types import Message, Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack

ROW = b'{"amount": 12.5}'
ID = "x-made-id"


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def observed(middleware: NilometerMiddleware) -> Observation:
    worker = middleware._worker
    assert worker.guard.faults == 0
    (observation,) = unpack(batch_of(worker.sink.take(10, 1 << 30)))
    return observation


def without_id(passed: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """*passed* without the header that was asked for; it must be there once."""
    found = 0
    for _, message in passed:
        if message.get("type") == "http.response.start" and "headers" in message:
            headers = message["headers"]
            message["headers"] = [pair for pair in headers if pair[0] != ID.encode()]
            found += len(headers) - len(message["headers"])
    assert found == 1
    return passed


@pytest.mark.parametrize("name", UNUSUAL)
def test_each_form_is_recorded_as_the_usual_one(name: str) -> None:
    middleware = NilometerMiddleware(ZOO[name], entity="tested")
    run(middleware, scope_of(), request_of(ROW))
    seen = observed(middleware)
    assert (seen.outcome, seen.status) == ("ok", 200)
    assert (seen.request_body, seen.response_body) == (ROW, ANSWER)
    assert (seen.request_size, seen.response_size) == (len(ROW), len(ANSWER))
    assert seen.response_type == "application/json"
    assert seen.stream_end in {"", "completed"}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_returned_id_is_added_to_each_form(name: str) -> None:
    bare = asyncio.run(trace(ZOO[name], scope_of(), request_of(ROW)))
    middleware = NilometerMiddleware(ZOO[name], entity="tested", return_prediction_id=ID)
    passed, error = asyncio.run(trace(middleware, scope_of(), request_of(ROW)))
    assert (without_id(passed), error) == bare
    seen = observed(middleware)
    assert (len(seen.prediction_id), seen.response_type) == (32, "application/json")


def test_an_id_that_the_application_set_is_not_added_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = (pair for pair in [*MORE_HEADERS, (b"X-Made-Id", b"mine")])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER})

    middleware = NilometerMiddleware(app, entity="tested", return_prediction_id=ID)
    sent, _ = run(middleware, scope_of(), request_of(ROW))
    assert [name for name, _ in sent[0]["headers"]].count(b"X-Made-Id") == 1
    assert len(sent[0]["headers"]) == len(MORE_HEADERS) + 1


def test_headers_that_raise_do_so_where_the_server_reads_them() -> None:
    middleware = NilometerMiddleware(ZOO["headers_that_raise"], entity="tested")
    _, error = run(middleware, scope_of(), request_of(ROW))
    assert isinstance(error, LookupError)
    assert observed(middleware).outcome == "exception"


def test_pairs_that_can_be_read_once_are_left_to_the_server() -> None:
    middleware = NilometerMiddleware(ZOO["headers_of_pairs_read_once"], entity="tested")
    sent, _ = run(middleware, scope_of(), request_of(ROW))
    assert sent[0]["headers"] == MORE_HEADERS
    seen = observed(middleware)  # without the type, which only the server has read
    assert (seen.outcome, seen.response_body, seen.response_type) == ("ok", ANSWER, "")


def test_a_body_that_the_server_read_in_part_itself_is_not_told_as_the_whole() -> None:
    middleware = NilometerMiddleware(ZOO["files_and_bodies"], entity="tested")
    run(middleware, scope_of(), request_of(ROW))
    seen = observed(middleware)
    assert (seen.outcome, seen.response_body) == ("ok", None)


def test_a_large_view_counts_its_bytes() -> None:
    wide = memoryview(bytes(4096)).cast("I")
    app = answering_with(
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.body", "body": wide},
    )
    middleware = NilometerMiddleware(app, entity="tested", max_body_bytes=2048)
    run(middleware, scope_of(), request_of(ROW))
    seen = observed(middleware)
    assert (seen.response_size, seen.response_body) == (4096, None)


def test_a_start_without_a_status_is_the_servers_to_refuse() -> None:
    middleware = NilometerMiddleware(ZOO["start_without_status"], entity="tested")
    sent, _ = run(middleware, scope_of(), request_of(ROW))
    assert sent[0] == {"type": "http.response.start"}
    assert len(middleware._worker.sink) == 1


def test_what_the_application_returns_goes_to_the_server() -> None:
    async def ask(app: Any, scope: Scope) -> Any:
        async def receive() -> Message:
            return {"type": "http.request", "body": ROW}

        async def send(message: Message) -> None:
            del message

        return await app(scope, receive, send)

    middleware = NilometerMiddleware(ZOO["returns_a_value"], entity="tested")
    assert asyncio.run(ask(middleware, scope_of())) == "done"  # uvicorn logs it as an error
    middleware._worker.due = True
    assert asyncio.run(ask(middleware, scope_of())) == "done"
    assert asyncio.run(ask(middleware, scope_of(path="/healthz"))) == "done"


class Text(str):
    """As some servers' own string types."""

    __slots__ = ()


def made_headers() -> Iterator[tuple[bytes, bytes]]:
    yield b"content-type", b"application/json"
    yield b"x-request-id", b"r1"


@pytest.mark.parametrize(
    "headers",
    [
        tuple(made_headers()),
        [list(pair) for pair in made_headers()],
        dict(made_headers()).items(),
        made_headers(),
        map(iter, made_headers()),
        [(bytearray(name), memoryview(value)) for name, value in made_headers()],
    ],
    ids=["tuple", "lists", "view", "generator", "iterators", "buffers"],
)
@pytest.mark.parametrize("returned", ["", ID])
@pytest.mark.parametrize("kind", [dict, UserDict])
def test_a_scope_in_any_form_is_read_and_left_to_the_application(
    headers: Any, returned: str, kind: Any
) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((bytes(name), bytes(value)) for name, value in scope["headers"])
        await echo(scope, receive, send)

    made = list(made_headers())
    if isinstance(headers, Iterator):  # one for each of the parametrized tests
        headers = map(iter, made) if isinstance(headers, map) else iter(made)
    middleware = NilometerMiddleware(app, entity="tested", return_prediction_id=returned)
    scope = kind(scope_of(path=Text("/predict"), method=Text("POST"), headers=headers))
    run(middleware, scope, request_of(ROW))
    assert seen == made
    observation = observed(middleware)
    assert (observation.path, observation.method) == ("/predict", "POST")
    assert (observation.request_type, observation.prediction_id) == ("application/json", "r1")


def test_request_bodies_may_be_any_bytes() -> None:
    incoming: list[Message] = [
        {"type": "http.request", "body": bytearray(ROW[:5]), "more_body": 1},
        UserDict({"type": "http.request", "body": memoryview(ROW)[5:9], "more_body": True}),
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": ROW[9:]},
    ]
    middleware = NilometerMiddleware(echo, entity="tested")
    sent, _ = run(middleware, scope_of(), incoming)
    assert as_served(sent[1])["body"] == ROW
    seen = observed(middleware)
    assert (seen.request_body, seen.request_size) == (ROW, len(ROW))
