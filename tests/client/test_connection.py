"""What the client makes of responses: retries of reads, entity tags, errors without the token."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nilometer import AsyncClient, Client
from nilometer.client import (
    CollectorBusy,
    CollectorUnreachable,
    Invalid,
    NotUnderstood,
    Problem,
    connection,
)
from nilometer.client.asked import Measures
from nilometer.client.connection import CACHED_ANSWERS, Answers
from nilometer.client.request import read, send
from nilometer.commands.cli import main
from nilometer.values.errors import ConfigError

DRIP = -1  # status of an answer that never ends
OK = (200, b'{"summaries": []}', {"etag": '"1"'})


@dataclass
class Far:
    """A server that answers with prepared responses, and records what it is asked."""

    url: str = ""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and If-None-Match


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setattr(connection, "FIRST_WAIT_SECONDS", 0.0)
    far = Far()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            far.asked.append((self.command, self.headers.get("if-none-match", "")))
            status, body, headers = far.answers.pop(0)
            if status == DRIP:
                self.drip(body)
            elif status:
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            self.close_connection = True  # without a status, the connection just ends

        def drip(self, body: bytes) -> None:
            """Send *body*, and then a byte at a time until the client closes."""
            with suppress(OSError):
                self.wfile.write(body)
                while not far.is_over.wait(0.005):
                    self.wfile.write(b"a")

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        far.url = f"http://127.0.0.1:{server.server_port}"
        yield far
        far.is_over.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "failure",
    [
        (503, b"", {}),
        (502, b"<html>", {"content-type": "text/html"}),
        (429, b"", {"retry-after": "0"}),
        (0, b"", {}),
    ],
)
def test_a_read_is_repeated_until_it_succeeds(
    far: Far, failure: tuple[int, bytes, dict[str, str]]
) -> None:
    far.answers = [failure, failure, OK]
    with Client(far.url) as client:
        assert client.entity("e").summaries() == []
    assert len(far.asked) == 3


def test_the_last_failure_is_raised(far: Far) -> None:
    far.answers = [(0, b"", {}), (503, b'{"detail": "try again"}', {})]
    with Client(far.url, attempts=2) as client, pytest.raises(CollectorBusy, match="try again"):
        client.entities()
    far.answers = [(0, b"", {})]
    with Client(far.url, attempts=1) as client, pytest.raises(CollectorUnreachable):
        client.entities()


def test_a_change_is_sent_once(far: Far) -> None:
    far.answers = [(503, b"", {}), OK]
    with Client(far.url) as client, pytest.raises(CollectorBusy):
        client.log([{}], source="0" * 32)
    assert far.asked == [("POST", "")]


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_other_failures_are_not_repeated(far: Far, status: int) -> None:
    far.answers = [(status, b'{"detail": "no", "field": "entity"}', {}), OK]
    with Client(far.url) as client, pytest.raises(Problem, match="no") as failed:
        client.entities()
    assert (failed.value.status, failed.value.field, len(far.asked)) == (status, "entity", 1)


def test_a_long_pause_is_not_waited_for(far: Far) -> None:
    far.answers = [(503, b"", {"retry-after": "3600"}), OK]
    with Client(far.url) as client, pytest.raises(CollectorBusy):
        client.entities()


def test_an_equal_answer_is_not_sent_again(far: Far) -> None:
    far.answers = [OK, (304, b"", {"etag": '"1"'}), (200, b'{"summaries": []}', {"etag": '"2"'})]
    with Client(far.url) as client:
        for _ in range(3):
            assert client.entity("e").summaries() == []
    assert [tag for _, tag in far.asked] == ["", '"1"', '"1"']


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b'{"entities": 3}'), (200, b"\xff"), (302, b""), (304, b"")],
)
def test_the_answer_of_another_server_is_told_in_one_line(
    far: Far, status: int, body: bytes
) -> None:
    far.answers = [(status, body, {"location": "http://elsewhere"})]
    with Client(far.url) as client, pytest.raises(NotUnderstood) as strange:
        client.entities()
    assert "check that" in str(strange.value)
    assert "\n" not in str(strange.value)


@pytest.mark.parametrize("body", [b'{"detail": 7, "rows": 3}', b"[]", b"\xff\xfe"])
def test_a_broken_problem_is_still_a_problem(far: Far, body: bytes) -> None:
    far.answers = [(422, body, {})]
    with Client(far.url) as client, pytest.raises(Invalid) as failed:
        client.entities()
    assert failed.value.rows == ()


def test_the_detail_of_a_server_is_one_line_without_escapes(
    far: Far, capsys: pytest.CaptureFixture[str]
) -> None:
    far.answers = [(422, b'{"detail": "\\u001b[31mred\\n2nd"}', {})]
    assert main(["export", "unwritten", "--entity", "e", "--collector", far.url]) == 1
    error = capsys.readouterr().err
    assert "?[31mred 2nd" in error
    assert error.count("\n") == 1


def test_answers_are_forgotten_by_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CACHED_BYTES", 1000)
    answers = Answers()
    answers.put("large", "t", b"x" * 251)
    assert answers.get("large") is None
    for at in range(5):
        answers.put(str(at), "t", b"x" * 250)
    assert [answers.get(str(at)) is not None for at in range(5)] == [False, True, True, True, True]
    for at in range(CACHED_ANSWERS + 1):
        answers.put(str(at), "t", b"")
    assert answers.get("0") is None
    assert answers.get("1") == ("t", b"")


def test_a_body_that_never_ends_is_not_waited_for(far: Far) -> None:
    far.answers = [(DRIP, b"HTTP/1.1 200 OK\r\n\r\n", {})]
    with (
        Client(far.url, timeout_seconds=0.1, attempts=1) as client,
        pytest.raises(CollectorUnreachable, match=r"no complete answer within 0\.1 s"),
    ):
        client.entities()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\na: "])
def test_the_asynchronous_client_waits_no_longer(far: Far, start: bytes) -> None:
    far.answers = [(DRIP, start, {})]

    async def ask() -> None:
        async with AsyncClient(far.url, timeout_seconds=0.1, attempts=1) as client:
            await client.entities()

    with pytest.raises(CollectorUnreachable, match=r"no complete answer within 0\.1 s"):
        asyncio.run(ask())


def test_a_compressed_body_that_grows_too_large_is_refused(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_ANSWER_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(2 << 20))
    far.answers = [(200, bomb, {"content-encoding": "gzip"})]
    with Client(far.url) as client, pytest.raises(NotUnderstood, match="over 1 MiB"):
        client.entities()
    assert len(far.asked) == 1


def test_pages_that_repeat_are_refused(far: Far) -> None:
    far.answers = [(200, f'{{"entities": [], "next": "{name}"}}'.encode(), {}) for name in "aba"]
    with Client(far.url) as client, pytest.raises(NotUnderstood, match="repeat at 'a'"):
        client.entities()


def test_a_deeply_nested_answer_is_not_understood(far: Far) -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    far.answers = [(200, nested, {}), (422, b'{"rows": ' + nested + b"}", {})]
    with Client(far.url) as client:
        with pytest.raises(NotUnderstood):
            client.entities()
        with pytest.raises(Invalid):
            client.entities()


@pytest.mark.parametrize("seconds", [0.0, float("inf"), float("nan")])
def test_a_time_that_does_not_end_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="must be above 0 and finite"):
        Client(timeout_seconds=seconds)


def test_one_word_is_one_parameter() -> None:
    measures = Measures(statistics="mean", reference="training", comparators="psi")
    assert measures.parameters() == [
        ("statistic", "mean"),
        ("reference", "training"),
        ("comparator", "psi"),
    ]


def test_a_conversation_has_no_network() -> None:
    """So anything that sends requests can hold it."""
    with closing(read("/path", dict[str, int])) as asked:
        assert next(asked).path == "/path"
        with pytest.raises(StopIteration) as end:
            asked.send(b'{"a": 1}')
        assert end.value.value == {"a": 1}
    with closing(send("/path", dict[str, int], {"b": 2})) as asked:
        assert next(asked).body == b'{"b":2}'
