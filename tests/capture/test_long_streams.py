"""A stream over the cap keeps its start and its end; nothing else over the cap keeps anything."""

from typing import Any

import pytest
from support.asgi_zoo import JSON_HEADERS, request_of, run, scope_of

from nilometer import NilometerMiddleware
from nilometer.capture.types import Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack

CAP = 1024
EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]
LINES = [(b"Content-Type", b"application/x-ndjson")]
STREAM = b"".join(b'data: {"number": %d}\n\n' % number for number in range(10 * CAP // 20))


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def seen(chunks: list[Any], headers: Any, **options: Any) -> Observation:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    given = {"entity": "tested", "max_body_bytes": CAP, **options}
    middleware = NilometerMiddleware(app, **given)
    run(middleware, scope_of(headers=JSON_HEADERS), request_of(b"{}"))
    worker = middleware._worker
    assert worker.guard.faults == 0
    (observation,) = unpack(batch_of(worker.sink.take(1000, 1 << 30)))
    return observation


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


@pytest.mark.parametrize("headers", [EVENTS, LINES], ids=["events", "lines"])
@pytest.mark.parametrize("form", [list, tuple, iter])
@pytest.mark.parametrize("size", [1, 7, CAP - 1, CAP, CAP + 1, len(STREAM)])
def test_the_start_and_the_end_of_a_stream_over_the_cap_are_kept(
    headers: Any, form: Any, size: int
) -> None:
    observation = seen(cut(STREAM, size), form(headers))
    assert observation.response_body is None
    assert observation.response_ends == (STREAM[: CAP // 2], STREAM[-CAP // 2 :])
    assert observation.response_size == len(STREAM)
    assert (observation.share, observation.left_out, observation.values_only) == (1.0, False, False)


def pairs(chunk: bytes) -> memoryview:
    """Memory whose items are two bytes each."""
    return memoryview(chunk).cast("H")


@pytest.mark.parametrize("size", [100, 2 * CAP])
@pytest.mark.parametrize("kind", [bytearray, memoryview, pairs])
def test_chunks_of_every_kind_of_memory_are_kept(kind: Any, size: int) -> None:
    observation = seen([kind(chunk) for chunk in cut(STREAM, size)], EVENTS)
    assert observation.response_ends == (STREAM[: CAP // 2], STREAM[-CAP // 2 :])


def test_a_chunk_that_changes_after_it_was_sent_is_kept_as_it_was() -> None:
    chunks = [bytearray(chunk) for chunk in cut(STREAM, CAP)]

    class Emptied(list[bytearray]):
        def __iter__(self) -> Any:
            for chunk in super().__iter__():
                yield chunk
                chunk[:] = b"?" * len(chunk)

    observation = seen(Emptied(chunks), EVENTS)
    assert observation.response_ends == (STREAM[: CAP // 2], STREAM[-CAP // 2 :])


def test_a_stream_of_the_cap_is_kept_whole() -> None:
    observation = seen(cut(STREAM[:CAP], 10), EVENTS)
    assert (observation.response_body, observation.response_ends) == (STREAM[:CAP], None)


@pytest.mark.parametrize("headers", [JSON_HEADERS, [], [(b"content-type", b"text/plain")]])
def test_of_other_answers_over_the_cap_only_the_size_is_kept(headers: Any) -> None:
    observation = seen(cut(STREAM, 100), headers)
    assert (observation.response_body, observation.response_ends) == (None, None)
    assert observation.response_size == len(STREAM)


def test_nothing_is_kept_where_no_body_is() -> None:
    observation = seen(cut(STREAM, 100), EVENTS, capture="values")
    assert observation.response_ends is None
    assert observation.values_only


def test_a_stream_that_was_thinned_says_so_and_one_that_was_kept_has_its_ends() -> None:
    """What is packed behind the share of the budget keeps its place."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": STREAM})

    middleware = NilometerMiddleware(app, entity="tested", max_body_bytes=CAP)
    middleware._worker.share = 0.5
    for _ in range(64):
        run(middleware, scope_of(), request_of(b""))
    found = unpack(batch_of(middleware._worker.sink.take(1000, 1 << 30)))
    assert {one.left_out for one in found} == {True, False}
    for one in found:
        assert one.share == 0.5
        assert (one.response_ends is None) is one.left_out


def test_the_answer_itself_passes_unchanged() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        for chunk in cut(STREAM, 99):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    middleware = NilometerMiddleware(app, entity="tested", max_body_bytes=CAP)
    sent = run(middleware, scope_of(), request_of(b""))
    bare = run(app, scope_of(), request_of(b""))
    assert sent == bare
