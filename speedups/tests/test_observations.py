"""What C observes is what Python observes, byte for byte apart from times."""

from collections import UserDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lane_rig import (
    BODY,
    HEADERS,
    fields,
    in_c,
    observing,
    packed,
    response,
    run,
    scope_of,
    serving,
)

PLAIN_REQUEST = {"type": "http.request", "body": b'{"a": 1}', "more_body": False}


def both(
    messages: list[dict[str, Any]], scope: dict[str, Any], incoming: list[Any], **settings: Any
) -> tuple[list[list[Any]], list[list[Any]]]:
    found = []
    for in_python in (False, True):
        middleware = observing(serving(*messages), in_python=in_python, **settings)
        run(middleware, dict(scope), incoming)
        found.append([fields(one) for one in packed(middleware)])
        assert middleware._worker.in_flight == 0
        assert not middleware._worker.guard.lost
    return found[0], found[1]


def test_a_plain_request_is_served_in_c() -> None:
    assert in_c(observing(serving(*response())), scope_of())
    assert in_c(observing(serving(*response())), scope_of(root_path=""))


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(root_path="/api"),
        scope_of(path="/healthz"),
        scope_of(headers=iter(HEADERS)),
        {"type": "websocket", "path": "/", "headers": []},
        {"type": "lifespan"},
        {"type": "http"},
        UserDict(scope_of()),
    ],
    ids=["root path", "excluded", "headers once", "websocket", "lifespan", "no path", "no dict"],
)
def test_any_other_scope_is_served_in_python(scope: Any) -> None:
    assert not in_c(observing(serving(*response())), scope)


@pytest.mark.parametrize(
    "settings",
    [
        {"exclude": ("GET /other",)},
        {"query_parameters": ("q",)},
        {"return_prediction_id": "x-id"},
        {"speedups": "off"},
        {"label_headers": {"team": "x" * 64}},
    ],
    ids=str,
)
def test_settings_beyond_the_plain_case_are_python(settings: Any) -> None:
    assert not in_c(observing(serving(*response()), **settings), scope_of())


@pytest.mark.parametrize(
    ("gate", "value"), [("live", False), ("due", True), ("nested", True), ("share", 0.5)]
)
def test_a_worker_that_wants_more_is_python(gate: str, value: Any) -> None:
    middleware = observing(serving(*response()))
    middleware._worker.revive = lambda: False  # type: ignore[method-assign]
    setattr(middleware._worker, gate, value)
    assert not in_c(middleware, scope_of())


bodies = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([31, 32, 255, 256, 257, 65535, 65536, 70000, 300_000]).map(bytes),
    st.sampled_from([b"", None, bytearray(b"{}"), memoryview(b"[1]")]),
)
names = st.sampled_from(
    [b"content-type", b"Content-Type", b"content-encoding", b"x-request-id", b"traceparent", b"ce-id", b"accept",
     b"inference-header-content-length", b"content-typo", b"x" * 80, bytearray(b"content-type")]
)  # fmt: skip
texts = st.sampled_from(
    [b"application/json", b"gzip", b"\xe9", b"", b"y" * 31, b"y" * 32, b"y" * 300, bytearray(b"text/csv")]
)  # fmt: skip
pairs = st.tuples(names, texts)
headers = st.lists(st.one_of(pairs, pairs.map(list)), max_size=5)
paths = st.one_of(st.text(max_size=20), st.sampled_from(["/" + "p" * 40, "/é", "/" * 256]))
statuses = st.sampled_from(
    [0, 100, 101, 127, 128, 200, 204, 255, 256, 299, 399, 400, 404, 500, 599]
)


@st.composite
def messages_of(draw: st.DrawFn) -> list[dict[str, Any]]:
    start: dict[str, Any] = {"type": "http.response.start", "status": draw(statuses)}
    if draw(st.booleans()):
        start["headers"] = draw(st.one_of(headers, headers.map(tuple)))
    chunks = draw(st.lists(bodies, max_size=3))
    sent = [start]
    for number, chunk in enumerate(chunks):
        message: dict[str, Any] = {"type": "http.response.body"}
        if chunk is not None:
            message["body"] = chunk
        if number < len(chunks) - 1 or draw(st.booleans()):
            message["more_body"] = draw(st.sampled_from([True, False, 1, 0, ""]))
        sent.append(message)
    if draw(st.integers(0, 9)) == 0:
        sent.append({"type": "http.response.trailers"})
    if draw(st.integers(0, 9)) == 0:
        draw(st.randoms(use_true_random=False)).shuffle(sent)
    return sent


@given(
    messages=messages_of(),
    asked=headers,
    path=paths,
    method=st.sampled_from(["POST", "GET", "PÖST", ""]),
    chunks=st.lists(bodies, min_size=1, max_size=3),
)
def test_observations_are_the_same(
    messages: Any, asked: Any, path: str, method: str, chunks: list[Any]
) -> None:
    scope = scope_of(path=path, method=method, headers=asked)
    incoming = [
        {"type": "http.request", "body": chunk or b"", "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    mine, theirs = both(messages, scope, incoming)
    assert mine == theirs


def test_a_full_queue_counts_what_it_refuses() -> None:
    middleware = observing(serving(*response()), max_queue_bytes=1024)
    for _ in range(20):
        run(middleware, scope_of())
    held = packed(middleware)
    assert 0 < len(held) < 20
    assert len(held) + middleware._worker.sink.refused == 20


def test_the_queue_has_room_again_after_it_was_taken() -> None:
    middleware = observing(serving(*response()), max_queue_bytes=1024)
    for _ in range(50):
        run(middleware, scope_of())
        assert len(packed(middleware)) == 1
    assert middleware._worker.sink.refused == 0


def test_requests_in_flight_are_counted() -> None:
    seen = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        seen.append(middleware._worker.in_flight)
        for message in response():
            await send(message)
        seen.append(middleware._worker.in_flight)  # background work is not a request in flight

    middleware = observing(app)
    run(middleware, scope_of())
    assert seen == [1, 0]
    assert middleware._worker.in_flight == 0


def test_a_later_change_of_the_lists_changes_nothing() -> None:
    sent = [*HEADERS]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        sent.clear()  # as an outer middleware that compresses
        scope["path"] = "/mounted"  # as a router
        await send({"type": "http.response.body", "body": BODY})

    middleware = observing(app)
    run(middleware, scope_of())
    (found,) = [fields(one) for one in packed(middleware)]
    assert (found[3], found[8]) == ("/predict", "application/json")


def test_log_finds_the_request() -> None:
    import nilometer

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nilometer.log(score=0.5)
        for message in response():
            await send(message)

    middleware = observing(app)
    middleware._worker.notes = True
    run(middleware, scope_of())
    (found,) = packed(middleware)
    assert b"score" in found
    assert fields(found)[-1] is not None
