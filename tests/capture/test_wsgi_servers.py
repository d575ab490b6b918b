"""Real WSGI servers answer the same bytes, bare and observed, and each request is counted as it ended."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fake_agent import FakeAgent

from nilometer.testing import eventually

BIN = Path(sys.executable).parent
TESTS = Path(__file__).resolve().parents[1]
GUNICORN = ("gunicorn", "--no-control-socket", "-b", "127.0.0.1:{port}", "{app}")
SERVERS = {
    "gunicorn-sync": (*GUNICORN, "-k", "sync"),
    "gunicorn-gthread": (*GUNICORN, "-k", "gthread", "--threads", "2"),
    "gunicorn-gevent": (*GUNICORN, "-k", "gevent"),
    "waitress": ("waitress-serve", "--listen", "127.0.0.1:{port}", "{app}"),
    "uwsgi": (
        *("uwsgi", "--http-socket", "127.0.0.1:{port}", "--http-chunked-input", "--die-on-term"),
        *("--enable-threads", "--module", "{app}"),
    ),
    "granian": ("granian", "--interface", "wsgi", "--port", "{port}", "{app}"),
}
NEEDS = {"gunicorn-gevent": "gevent", "uwsgi": "pyuwsgi", "waitress": "waitress"}
ROW = b'{"amount": 5}'
POST = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
SIZED = POST + b"content-length: %d\r\n\r\n%b"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n5\r\n%b\r\n8\r\n%b\r\n0\r\n\r\n"
GET = b"%b %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
# The request, and path, outcome, status and sizes of its observation.
EXCHANGES = [
    (SIZED % (b"/echo", 13, ROW), ("/echo", "ok", 200, 13, 13)),
    (GET % (b"GET", b"/stream"), ("/stream", "ok", 200, 0, 27)),
    (GET % (b"GET", b"/nowhere"), ("/nowhere", "client_error", 404, 0, 2)),
    (GET % (b"HEAD", b"/echo"), ("/echo", "ok", 200, 0, 0)),
    (GET % (b"GET", b"/failing"), ("/failing", "exception", 0, 0, 0)),
    (GET % (b"GET", b"/breaking"), ("/breaking", "exception", 200, 0, 5)),
]
BREAKING = len(EXCHANGES) - 1
IN_CHUNKS = [(CHUNKED % (b"/echo", ROW[:5], ROW[5:]), ("/echo", "ok", 200, 13, 13))]
WITH_WRITE = [(GET % (b"GET", b"/written"), ("/written", "ok", 200, 0, 8))]
SIZE = len((TESTS / "support" / "served_wsgi.py").read_bytes())
WITH_FILES = [(GET % (b"GET", b"/file"), ("/file", "ok", 200, 0, SIZE))]
VARIES = re.compile(rb"(?im)^(?:date: .*|error id: .*)\r?$")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(server: str, app: str, agent: FakeAgent, log: Path) -> Iterator[int]:
    """The port of a server with that application."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [part.format(port=port, app=f"support.{app}:app") for part in SERVERS[server]],
            env={
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "PYTHONPATH": str(TESTS),
                "NILOMETER_AGENT": agent.address,
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: listens(port), timeout=60, poll=0.05)
        yield port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def ask(port: int, request: bytes) -> bytes:
    """All bytes of the answer to one request, without what varies."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        said = bytearray()
        try:
            while part := connection.recv(65536):
                said += part
        except ConnectionResetError:
            said += b"(reset)"
    return VARIES.sub(b"", bytes(said))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    needed = NEEDS.get(name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    return name


def test_every_answer_is_the_bare_servers_and_every_request_is_counted(
    server: str, agent: FakeAgent, tmp_path: Path
) -> None:
    exchanges = [
        *EXCHANGES,
        *(IN_CHUNKS if server != "uwsgi" else ()),  # uWSGI has a function of its own for them
        *((*WITH_FILES, *WITH_WRITE) if server != "granian" else ()),  # granian has neither
    ]
    answers = []
    for app in ("served_wsgi", "served_wsgi_observed"):
        with served(server, app, agent, tmp_path / app) as port:
            answers.append([ask(port, request) for request, _ in exchanges])
            if app == "served_wsgi_observed":
                eventually(lambda: len(agent.observations) == len(exchanges), timeout=30)
    if server == "granian":
        # How much of a stream that breaks is sent varies from run to run, without us, too.
        bare, observed = (answer.pop(BREAKING) for answer in answers)
        assert bare.startswith(observed) or observed.startswith(bare)
    assert answers[0] == answers[1]
    seen = Counter(
        (one.path, one.outcome, one.status, one.request_size, one.response_size)
        for one in agent.observations
    )
    assert seen == Counter(observation for _, observation in exchanges)
    assert not agent.dropped


def test_a_client_that_leaves_an_endless_stream_has_left(
    server: str, agent: FakeAgent, tmp_path: Path
) -> None:
    with served(server, "served_wsgi_observed", agent, tmp_path / "log") as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(GET % (b"GET", b"/endless"))
            received = b""
            while b"tick" not in received:
                part = connection.recv(65536)
                assert part, (received, (tmp_path / "log").read_text("utf-8", "replace"))
                received += part
        eventually(lambda: agent.observations, timeout=30)
    (seen,) = agent.observations
    assert (seen.path, seen.outcome, seen.status) == ("/endless", "client_left", 200)
    assert seen.stream_end == "client_left"
