import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.asgi_zoo import JSON_HEADERS, ZOO, echo, exchange, request_of, run, scope_of, trace
from support.fake_agent import FakeAgent

from nilometer import ConfigError, NilometerMiddleware
from nilometer.capture.types import Receive, Scope, Send
from nilometer.handoff import plain
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack
from nilometer.testing import MemoryOutlet, eventually

TRACES = Path(__file__).parent / "traces.json"
ROW = b'{"amount": 12.5, "country": "de"}'


class Watched:
    """A middleware whose thread never starts: what it offers stays in the sink."""

    def __init__(self, app: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
        self.middleware = NilometerMiddleware(app, entity="tested", **options)

    def offered(self) -> list[Observation]:
        return unpack(batch_of(self.middleware._worker.sink.take(1000, 1 << 30)))


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("name", ZOO)
def test_everything_that_passes_is_the_bare_applications(
    name: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = request_of(ROW[:7], b"", ROW[7:])
    bare, bare_error = asyncio.run(trace(ZOO[name], scope_of(method=method), incoming))
    watched = Watched(ZOO[name], monkeypatch)
    passed, error = asyncio.run(trace(watched.middleware, scope_of(method=method), incoming))
    assert passed == bare
    assert (type(error), str(error)) == (type(bare_error), str(bare_error))


@pytest.mark.parametrize("name", ZOO)
def test_the_traces_are_the_ones_on_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO[name], monkeypatch)
    passed, error = asyncio.run(trace(watched.middleware, scope_of(), request_of(ROW[:7], ROW[7:])))
    golden = json.loads(TRACES.read_text())
    assert [*lines_of(passed), repr(error)] == golden[name]


def lines_of(passed: list[tuple[str, Any]]) -> list[str]:
    """A trace as text; long ones by their ends, and views by what they show."""
    lines = []
    for way, message in passed[:8] + passed[8:][-4:]:
        body = message.get("body")
        shown = {**message, "body": bytes(body)} if isinstance(body, memoryview) else message
        lines.append(f"{way} {shown!r}")
    return lines


def test_messages_are_the_same_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[Any] = []
    went: list[Any] = []
    incoming = {"type": "http.request", "body": ROW, "more_body": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        came.append(await receive())
        for message in answer:
            await send(message)

    answer: list[Any] = [
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.body"},
    ]

    async def receive() -> Any:
        return incoming

    async def send(message: Any) -> None:
        went.append(message)

    asyncio.run(Watched(app, monkeypatch).middleware(scope_of(), receive, send))
    assert came[0] is incoming
    assert [one is other for one, other in zip(went, answer, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("name", "outcome", "status"),
    [
        ("echo", "ok", 200),
        ("answers_before_reading", "client_error", 404),
        ("raises", "exception", 0),
        ("raises_in_mid_stream", "exception", 200),
        ("streams", "ok", 200),
        ("silent", "no_response", 0),
        ("unknown_messages", "ok", 200),
        ("early_hints", "ok", 200),
        ("zero_copy", "ok", 200),
        ("sends_twice", "ok", 200),
        ("sends_after_the_client_left", "client_left", 200),
        ("raises_after_the_answer", "ok", 200),
        ("answers_and_raises", "exception", 500),
        ("rewrites_its_scope", "ok", 200),
        ("empty", "ok", 204),
        ("cannot_receive", "exception", 0),
    ],
)
def test_each_end_of_a_request_is_one_outcome(
    name: str, outcome: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(ZOO[name], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert (captured.outcome, captured.status) == (outcome, status)


def test_bodies_are_kept_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["streams"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert captured.request_body == ROW
    assert captured.response_body is not None
    assert json.loads(captured.response_body) == {"score": 0.5}
    assert captured.request_size == len(ROW)
    assert captured.response_size == len(b'{"score": 0.5}')


def test_a_mutable_body_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["mutable_bodies"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert captured.response_body == b'{"score": 1}'


def test_a_body_over_the_cap_keeps_its_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_body_bytes=1024)
    chunks = [b"x" * 600] * 4
    sent, _ = run(watched.middleware, scope_of(), request_of(*chunks))
    (captured,) = watched.offered()
    assert captured.request_body is captured.response_body is None
    assert captured.request_size == captured.response_size == 2400
    assert sent[1]["body"] == b"x" * 2400


def test_a_full_queue_refuses_the_newest_and_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_queue_bytes=1024)
    for _ in range(10):
        run(watched.middleware, scope_of(), request_of(ROW))
    worker = watched.middleware._worker
    assert worker.sink.refused + len(watched.offered()) == 10
    assert worker.sink.refused > 0


def test_a_body_over_the_cap_takes_no_room_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_body_bytes=1024, max_queue_bytes=4096)
    for _ in range(3):
        run(watched.middleware, scope_of(), request_of(b"x" * 1_000_000))
    assert len(watched.offered()) == 3


def test_probes_are_not_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch)
    run(watched.middleware, scope_of(path="/healthz"), request_of(b""))
    assert watched.offered() == []


def test_a_client_that_leaves_in_mid_stream_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})

    watched = Watched(endless, monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    assert [captured.outcome for captured in watched.offered()] == ["client_left"]


def test_a_cancelled_request_stays_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(exchange(watched.middleware, scope_of(), request_of(ROW)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        _, error = await task
        assert isinstance(error, asyncio.CancelledError)

    watched = Watched(waits, monkeypatch)
    asyncio.run(scenario())
    assert [captured.outcome for captured in watched.offered()] == ["client_left"]


@pytest.mark.parametrize(
    ("options", "key", "allowed"),
    [
        ({"entity": "no spaces"}, "entity = 'no spaces'", "letters, digits"),
        ({"entity": "e", "max_body_bytes": 3}, "max_body_bytes = 3", ">= 1024"),
        ({"entity": "e", "profile_in": "moon"}, "profile_in = 'moon'", "moon"),
        ({"entity": "e", "agent": "tcp:1"}, "agent = 'tcp:1'", "unix:/absolute/path"),
        ({"entity": "e", "labels": {"Bad": "x"}}, "Bad", "[a-z]"),
        ({"entity": "e", "endtity": 1}, "endtity", "the settings are"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    options: dict[str, Any], key: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        NilometerMiddleware(echo, **options)
    line = str(refused.value)
    assert key in line
    assert allowed in line
    assert "\n" not in line


def test_the_application_may_be_named_as_older_starlettes_do() -> None:
    assert NilometerMiddleware(app=echo, entity="tested").app is echo


def test_inside_a_running_server_the_start_fails_with_the_same_line() -> None:
    sent: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        await NilometerMiddleware(echo, entity="no spaces")({"type": "lifespan"}, receive, send)

    asyncio.run(start())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "entity = 'no spaces'" in sent[0]["message"]


def test_required_speedups_that_are_missing_leave_nothing_observed_in_a_running_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plain, "lane", None)

    async def start() -> NilometerMiddleware:
        return NilometerMiddleware(echo, entity="tested", speedups="required")

    worker = asyncio.run(start())._worker
    with pytest.raises(RuntimeError, match="this worker's settings were refused"):
        _ = worker.settings


def test_a_middleware_that_nobody_wrote_leaves_the_start_of_a_server_alone() -> None:
    async def start() -> None:
        with pytest.raises(ConfigError):  # `nilometer run` then serves the application itself
            NilometerMiddleware.stepping_aside(echo)

    asyncio.run(start())


def test_twenty_faults_in_a_minute_take_monitoring_out_of_the_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(echo, monkeypatch)

    def broken(*_: object) -> bool:
        raise ValueError("broken")

    monkeypatch.setattr("nilometer.handoff.sink.Sink.offer", broken)
    for _ in range(25):
        sent, _ = run(watched.middleware, scope_of(), request_of(ROW))
        assert sent[1]["body"] == ROW
    assert watched.middleware._worker.guard.tripped
    assert watched.middleware._worker.guard.faults == 20
    fault, pause = (record.message for record in caplog.records)  # one line a minute of each kind
    assert "internal capture error, request served unobserved: ValueError('broken')" in fault
    assert "nothing is observed for 60 s: 20 errors within a minute" in pause


def test_what_a_fault_or_a_spoilt_message_costs_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["malformed_messages"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    run(watched.middleware, scope_of(headers=[7]), request_of(ROW))
    worker = watched.middleware._worker
    assert len(worker.sink) + worker.guard.lost == 2
    assert worker.guard.lost >= 1


def test_the_worker_moves_everything_to_its_outlet() -> None:
    middleware = NilometerMiddleware(echo, entity="tested")
    worker = middleware._worker
    outlet = MemoryOutlet()
    monkey = pytest.MonkeyPatch()
    monkey.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    try:
        for _ in range(700):
            run(middleware, scope_of(), request_of(ROW))
        worker.stop()
    finally:
        monkey.undo()
    assert len(outlet.captured) == 700
    assert not outlet.dropped


def test_a_broken_off_observation_keeps_what_was_true_when_it_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(ZOO["rewrites_its_scope"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    assert watched.offered()[0].path == "/predict"
    watched = Watched(ZOO["compressed_outside"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert (captured.response_type, captured.response_encoding) == ("application/json", "")


def test_many_small_chunks_weigh_what_their_bytes_weigh(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["dribbles"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert captured.response_body == b"1" * 1500
    assert captured.chunks == 1500
    assert captured.stream_end == "completed"
    assert len(captured.chunk_gaps) == 4 * 512


def test_a_background_task_is_not_part_of_the_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    async def with_a_task(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        await asyncio.sleep(0.05)

    watched = Watched(with_a_task, monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert 0 < captured.first_byte == captured.latency < 0.05


def test_a_worker_that_cannot_open_its_outlet_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise OSError("no sockets here")

    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", broken)
    middleware = NilometerMiddleware(echo, entity="tested")
    for _ in range(50):
        sent, _ = run(middleware, scope_of(), request_of(ROW))
        assert sent[1]["body"] == ROW
        eventually(lambda: not middleware._worker.live)
    assert len(middleware._worker.sink) == 0
    assert len(caplog.records) == 1


def test_threads_may_serve_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    middleware = NilometerMiddleware(echo, entity="tested", flush_seconds=0.005)

    async def many() -> None:
        for _ in range(200):
            await exchange(middleware, scope_of(), request_of(ROW))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    middleware._worker.stop()
    assert len(outlet.captured) == 1600
    assert middleware._worker.in_flight == 0
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name == "nilometer-capture"]


def test_a_fork_starts_anew_and_counts_nothing_twice(tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path / "agent.sock")
    # In an interpreter of its own: a test run has threads that a fork would not like.
    code = """
import asyncio, os, sys, time
from support.asgi_zoo import echo, exchange, request_of, scope_of
from nilometer import NilometerMiddleware
middleware = NilometerMiddleware(
    echo, entity="tested", agent=sys.argv[1], flush_seconds=0.005, shutdown_seconds=30.0
)
def serve(count):
    async def some():
        for _ in range(count):
            await exchange(middleware, scope_of(), request_of(b"{}"))
    asyncio.run(some())
serve(50)
children = []
for _ in range(10):
    serve(20)
    child = os.fork()
    if child == 0:
        serve(30)
        middleware._worker.stop()
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
serve(10)
middleware._worker.stop()
"""
    try:
        finished = subprocess.run(
            [sys.executable, "-c", code, agent.address],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        assert sorted(agent.workers.values()) == [30] * 10 + [50 + 10 * 20 + 10]
    finally:
        agent.stop()
