"""The threaded server: whatever happens, it serves until it is stopped, and leaves nothing open."""

import http.client
import logging
import socket
from collections.abc import Iterator
from threading import Event

import pytest

from nilometer.serving.threads import ThreadedServer, TimedHandler
from nilometer.testing import eventually

HOST = "127.0.0.1"
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Handler(TimedHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, {}, b"")


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    server = ThreadedServer("tested", (HOST, 0), Handler, connections=8, turn_seconds=60.0)
    yield server
    server.stop(60.0)


def ask(server: ThreadedServer) -> int:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("step", ["_add", "_accept", "_has_room", "_wait_for_next"])
def test_an_internal_error_ends_no_other_connection(
    server: ThreadedServer,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed = Event()
    works = getattr(server, step)

    def fails_once(*given: object) -> object:
        if not failed.is_set():
            failed.set()
            raise ValueError("broken")
        return works(*given)

    monkeypatch.setattr(server, step, fails_once)
    server.start()
    with socket.create_connection((HOST, server.port), 60.0) as broken:
        broken.sendall(ASK)
        assert failed.wait(60)
        assert ask(server) == 200
        if step in {"_add", "_wait_for_next"}:
            while broken.recv(1000):  # an answer of before, and the end
                pass
    assert [one.message for one in caplog.records if one.levelno == logging.ERROR] == [
        "tested: internal error, the server continues: report this error"
    ]
    eventually(lambda: not server._open)


def test_a_connection_that_is_answered_while_the_server_stops_is_closed(
    server: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, stopped = Event(), Event()
    take_back = server._take_back

    def late(connection: socket.socket, rest: bytes) -> bool:
        answered.set()
        assert stopped.wait(60)
        return take_back(connection, rest)

    monkeypatch.setattr(server, "_take_back", late)
    server.start()
    with socket.create_connection((HOST, server.port), 60.0) as client:
        client.sendall(ASK)
        assert answered.wait(60)
        server.stop(60.0)
        stopped.set()
        while client.recv(1000):  # the answer, and the end
            pass
    eventually(lambda: not server._open)
