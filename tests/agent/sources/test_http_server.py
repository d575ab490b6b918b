"""The HTTP port for programs of the same pod closes cleanly."""

import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nilometer_agent.sources import http_server
from nilometer_agent.sources.http_server import HttpServer, Post, Reply


class Taking:
    """Holds each request until it may go on."""

    def __init__(self) -> None:
        self.came, self.go_on = threading.Event(), threading.Event()
        self.taken: list[bytes] = []

    def take(self, post: Post) -> Reply:
        self.came.set()
        self.go_on.wait(60)
        self.taken.append(post.body)
        return Reply(202)


@pytest.fixture
def taking() -> Taking:
    return Taking()


@pytest.fixture
def server(taking: Taking) -> Iterator[HttpServer]:
    server = HttpServer("events_address", "127.0.0.1:0", taking.take, 1024)
    server.start()
    yield server
    taking.go_on.set()
    server.stop(time.monotonic() + 5)


@pytest.fixture
def client(server: HttpServer) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    yield client
    client.close()


def post(client: http.client.HTTPConnection, body: bytes) -> int:
    client.request("POST", "/", body)
    answer = client.getresponse()
    answer.read()
    return answer.status


def test_a_request_under_way_is_taken_before_the_door_is_closed(
    server: HttpServer, taking: Taking, client: http.client.HTTPConnection
) -> None:
    with ThreadPoolExecutor(2) as pool:
        answered = pool.submit(post, client, b"one")
        assert taking.came.wait(60)
        threading.Timer(0.2, taking.go_on.set).start()
        server.stop(time.monotonic() + 5)
        assert taking.taken == [b"one"]
        assert answered.result() == 202


def test_a_request_that_hangs_holds_the_door_open_for_its_grace_only(
    server: HttpServer, taking: Taking, client: http.client.HTTPConnection
) -> None:
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(post, client, b"one")
        assert taking.came.wait(60)
        started = time.monotonic()
        server.stop(started + 3600)
        assert time.monotonic() - started >= http_server.GRACE_SECONDS
        taking.go_on.set()
        assert answered.result() == 202


def test_a_closed_door_takes_nothing_from_a_connection_that_is_still_open(
    server: HttpServer, taking: Taking, client: http.client.HTTPConnection
) -> None:
    taking.go_on.set()
    assert post(client, b"one") == 202
    server.stop(time.monotonic() + 5)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(client, b"two")
    assert taking.taken == [b"one"]
