import asyncio
import json
from typing import Any

import pytest
from asgi_zoo import JSON_HEADERS, ZOO, echo, exchange, request_of, run, scope_of

from nilometer import ConfigError, NilometerMiddleware
from nilometer.capture.asgi import Receive, Scope, Send
from nilometer.capture.sink import Captured
from nilometer.capture.worker import Worker
from nilometer.testing import MemoryOutlet

ROW = b'{"amount": 12.5, "country": "de"}'


class Watched:
    """A middleware whose thread never starts: what it offers stays in the sink."""

    def __init__(self, app: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
        self.middleware = NilometerMiddleware(app, entity="tested", **options)

    def offered(self) -> list[Captured]:
        worker = self.middleware._worker
        assert worker is not None
        return worker.sink.take(1000, 1 << 30)


@pytest.mark.parametrize("name", ZOO)
def test_every_message_and_exception_is_the_bare_applications(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, bare_error = run(ZOO[name], scope_of(), request_of(ROW[:7], ROW[7:]))
    watched = Watched(ZOO[name], monkeypatch)
    sent, error = run(watched.middleware, scope_of(), request_of(ROW[:7], ROW[7:]))
    assert sent == bare
    assert (type(error), str(error)) == (type(bare_error), str(bare_error))


@pytest.mark.parametrize(
    "point", ["sink.Sink.offer", "asgi.joined", "worker.Worker.ensure_started"]
)
@pytest.mark.parametrize("name", ZOO)
def test_a_fault_of_ours_leaves_the_answer_alone(
    name: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, _ = run(ZOO[name], scope_of(), request_of(ROW))
    watched = Watched(ZOO[name], monkeypatch)

    def broken(*_: object) -> bool:
        raise MemoryError("ours")

    monkeypatch.setattr(f"nilometer.capture.{point}", broken)
    assert run(watched.middleware, scope_of(), request_of(ROW))[0] == bare
    assert watched.middleware._guard.faults >= 1  # the point was reached


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
    ],
)
def test_each_end_of_a_request_is_one_outcome(
    name: str, outcome: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(ZOO[name], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert (captured[3], captured[2]) == (outcome, status)


def test_bodies_are_kept_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["streams"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert captured[10] == ROW
    assert isinstance(captured[11], list)
    assert json.loads(b"".join(captured[11])) == {"score": 0.5}
    assert captured[6:8] == (len(ROW), len(b'{"score": 0.5}'))


def test_a_mutable_body_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["mutable_bodies"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    (captured,) = watched.offered()
    assert captured[11] == b'{"score": 1}'


def test_a_body_over_the_cap_keeps_its_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_body_bytes=1024)
    chunks = [b"x" * 600] * 4
    sent, _ = run(watched.middleware, scope_of(), request_of(*chunks))
    (captured,) = watched.offered()
    assert captured[10:] == (None, None)
    assert captured[6:8] == (2400, 2400)
    assert sent[1]["body"] == b"x" * 2400


def test_a_full_queue_refuses_the_newest_and_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_queue_bytes=2048)
    for _ in range(10):
        run(watched.middleware, scope_of(), request_of(ROW))
    worker = watched.middleware._worker
    assert worker is not None
    assert worker.sink.refused + len(watched.offered()) == 10
    assert worker.sink.refused > 0


def test_a_body_over_the_cap_takes_no_room_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, max_body_bytes=1024, max_queue_bytes=4096)
    for _ in range(3):
        run(watched.middleware, scope_of(), request_of(b"x" * 1_000_000))
    assert len(watched.offered()) == 3


def test_probes_and_other_scopes_are_not_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def socket_app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    watched = Watched(echo, monkeypatch)
    run(watched.middleware, scope_of(path="/healthz"), request_of(b""))
    plain = Watched(socket_app, monkeypatch)
    sent, _ = run(plain.middleware, {"type": "websocket", "path": "/ws"}, [])
    assert sent == [{"type": "websocket.accept"}]
    assert watched.offered() == plain.offered() == []


def test_a_client_that_leaves_in_mid_stream_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})

    watched = Watched(endless, monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    assert [captured[3] for captured in watched.offered()] == ["client_left"]


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
    assert [captured[3] for captured in watched.offered()] == ["client_left"]


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


def test_twenty_faults_in_a_minute_take_monitoring_out_of_the_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(echo, monkeypatch)

    def broken(*_: object) -> bool:
        raise ValueError("broken")

    monkeypatch.setattr("nilometer.capture.sink.Sink.offer", broken)
    for _ in range(25):
        sent, _ = run(watched.middleware, scope_of(), request_of(ROW))
        assert sent[1]["body"] == ROW
    assert watched.middleware._guard.tripped
    assert watched.middleware._guard.faults == 20
    assert len(caplog.records) == 1  # one line a minute


def test_what_a_fault_or_a_spoilt_message_costs_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    from nilometer.capture.pack import packed_all

    watched = Watched(ZOO["malformed_messages"], monkeypatch)
    run(watched.middleware, scope_of(), request_of(ROW))
    run(watched.middleware, scope_of(headers=[7]), request_of(ROW))
    arrays, spoilt = packed_all(watched.offered(), b"")
    worker = watched.middleware._worker
    assert worker is not None
    assert len(arrays) + spoilt + worker.guard.lost == 2
    assert spoilt + worker.guard.lost >= 1


def test_the_worker_moves_everything_to_its_outlet() -> None:
    middleware = NilometerMiddleware(echo, entity="tested")
    worker = middleware._worker
    assert worker is not None
    outlet = MemoryOutlet()
    monkey = pytest.MonkeyPatch()
    monkey.setattr("nilometer.capture.worker.open_outlet", lambda _: outlet)
    try:
        for _ in range(700):
            run(middleware, scope_of(), request_of(ROW))
        worker.stop()
    finally:
        monkey.undo()
    assert len(outlet.captured) == 700
    assert not outlet.dropped
