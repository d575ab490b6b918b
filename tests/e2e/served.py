"""Real Python servers under `nilometer run`, each in an environment of its own below ``.e2e``.

Each serves 2a - b. The same requests go to the server as it is and to the server under us: the answers
are equal to the byte, less what the server itself draws anew for every answer (dates, ids), and what was
sent is what was profiled, to the last row. Then the server is told to end: it leaves no process, and no
observation behind.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e.stack import ROOT
from e2e.watched import environment, watched

from nilometer.handoff.settings import PROBES
from nilometer_collector.demo.processes import free_port

HERE = Path(__file__).resolve().parent / "model_servers"
HOST = "127.0.0.1"
ENTITY = "linear"
EACH = 100  # requests of each kind
SECONDS_TO_START = 120
SECONDS_TO_END = 40


@dataclass(frozen=True)
class Served:
    """A server and what is sent to it.

    Attributes:
        packages: Of its environment, beside this project.
        command: ``{python}``, ``{bin}`` and ``{port}`` are filled in.
        ready: The path that answers 200 when every model is there.
        requests: Each is sent once on a connection of its own.
        statuses: Answers to predictions by status.
        sums: Rows and sum of every numeric summary that there must be, and of no other.
        changing: What the server draws anew for each answer, as patterns of bytes.
        measured: Columns of the answers with what the server measures; their sums are not compared.
        environment: Variables of the command.
        client: A command that asks it and prints what it saw, if there is one.
        observed: Requests of the client that are observed.
        recycled: Whether its workers end after so many requests.
        end_with: The signal after which the server, as it is, leaves no process.
        ends_at_once: Whether that signal ends it before it can send what it has observed last.
        prepared: A command that runs before, in the directory of the test.
        is_wrapped: Whether `nilometer run` starts the server; else its code has the middleware.
    """

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    ready: str
    requests: tuple[bytes, ...]
    statuses: dict[int, int]
    sums: dict[str, tuple[int, float]]
    changing: tuple[bytes, ...] = ()
    measured: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)
    client: tuple[str, ...] = ()
    observed: int = 0
    recycled: bool = False
    end_with: signal.Signals = signal.SIGTERM
    ends_at_once: bool = False
    prepared: tuple[str, ...] = ()
    is_wrapped: bool = True


def python_of(name: str, *packages: str) -> Path:
    """The interpreter of the server *name*, with this project as it stands."""
    return environment(name, sys.executable, *packages, "-e", str(ROOT))


def request(method: str, path: str, body: bytes = b"", kind: str = "", **headers: str) -> bytes:
    """A request that closes its connection; ``x_y=v`` is the header ``x-y: v``."""
    lines = [f"{method} {path} HTTP/1.1", "Host: m", "Connection: close"]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def post(path: str, value: Any, **headers: str) -> bytes:
    return request("POST", path, json.dumps(value).encode(), "application/json", **headers)


def ask(port: int, asked: bytes, *, recycled: bool = False) -> bytes:
    """Every byte of the answer, until the server closes.

    A worker that ends for good, and has accepted a connection it did not look at, resets it. Where
    workers are *recycled* the request is sent again, as clients do: nobody has seen it.
    """
    while True:
        try:
            return exchange(port, asked)
        except ConnectionResetError:
            if not recycled:
                raise


def exchange(port: int, asked: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(asked)
        answer = bytearray()
        while part := connection.recv(65536):
            answer += part
        if not answer:
            raise ConnectionResetError("closed without an answer")
        return bytes(answer)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@dataclass
class Running:
    """A started server."""

    words: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    probed: Counter[int] = field(default_factory=Counter)  # answers to probes, by status

    @property
    def port(self) -> int:
        return int(self.words["port"])

    def wait_until_ready(self, path: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            try:
                answer = ask(self.port, request("GET", path))
            except OSError:
                answer = b""
            if answer:
                self.probed[status_of(answer)] += 1
                if status_of(answer) == 200:
                    return
            time.sleep(0.2)

    def end(self, how: signal.Signals) -> int:
        """Tell it to end; its exit code. No process of it is left."""
        self.process.send_signal(how)
        code = self.process.wait(SECONDS_TO_END)
        deadline = time.monotonic() + SECONDS_TO_END
        while left := self.left():
            assert time.monotonic() < deadline, [one.cmdline() for one in left]
            time.sleep(0.1)
        return code

    def left(self) -> list[psutil.Process]:
        """What runs in its session."""
        found = []
        for one in psutil.process_iter():
            try:
                if os.getsid(one.pid) == self.process.pid and one.status() != "zombie":
                    found.append(one)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@contextmanager
def running(command: list[str], words: dict[str, str], log: Path, **more: str) -> Iterator[Running]:
    """*command* in a session of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Whoever started the tests in the background had SIGINT ignored, for all below.
            ["env", "--default-signal=INT", *command],
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={
                **os.environ,
                "PATH": f"{words['bin']}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(HERE),
                **more,
            },
        )
    started = Running(words, process, log)
    try:
        yield started
    finally:
        for one in started.left():
            one.kill()
        process.wait(20)


def told(served: Served, python: Path, log: Path, agent: str = "") -> Any:
    """The server of *served*, below `nilometer run` where an agent is named."""
    words = {
        "python": str(python),
        "bin": str(python.parent),
        "here": str(HERE),
        "model": str(log.parent.parent / "model"),
        "port": str(free_port()),
        "grpc": str(free_port()),
        "other": str(free_port()),
    }
    command = [part.format(**words) for part in served.command]
    more = {name: value.format(**words) for name, value in served.environment.items()}
    if agent and served.is_wrapped:
        run = [str(python), "-m", "nilometer", "run", "--entity", ENTITY, "--agent", agent, "--"]
        command = [*run, *command]
    elif agent:
        more |= {"NILOMETER_ENTITY": ENTITY, "NILOMETER_AGENT": agent}
    return running(command, words, log, **more)


def without(answer: bytes, changing: tuple[bytes, ...]) -> bytes:
    for pattern in (rb"(?mi)^date: [^\r]*", *changing):
        answer = re.sub(pattern, b"", answer)
    return answer


def client_of(served: Served, server: Running) -> Any:
    """What the server's own client sees."""
    if not served.client:
        return None
    command = [part.format(**server.words) for part in served.client]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:] + server.said()
    return json.loads(ended.stdout)


def compare(served: Served, directory: Path) -> str:
    """Bare, then watched.

    Returns:
        What was found, in a line.
    """
    python = python_of(served.name.split(" ")[0], *served.packages)
    bare_log, seen_log = directory / "bare" / "log", directory / "seen" / "log"
    for log in (bare_log, seen_log):
        log.parent.mkdir()
    if served.prepared:
        words = {"python": python, "here": HERE, "model": directory / "model"}
        command = [part.format(**words) for part in served.prepared]
        subprocess.run(command, check=True, timeout=120, cwd=directory)
    with told(served, python, bare_log) as server:
        server.wait_until_ready(served.ready)
        bare = [ask(server.port, one, recycled=served.recycled) for one in served.requests]
        client_bare = client_of(served, server)
        bare_code = server.end(served.end_with)
    with watched(directory / "agent") as watching:
        agent = f"unix:{watching.agent.settings.socket_path}"
        with told(served, python, seen_log, agent) as server:
            server.wait_until_ready(served.ready)
            seen = [ask(server.port, one, recycled=served.recycled) for one in served.requests]
            client_seen = client_of(served, server)
            probed = Counter() if served.ready in PROBES else server.probed
            total = len(served.requests) + served.observed + probed.total()
            if served.ends_at_once:
                watching.wait_for(total)
            code = server.end(served.end_with)
            said = server.said()
        for asked, with_us, as_it_is in zip(served.requests, seen, bare, strict=True):
            assert without(with_us, served.changing) == without(as_it_is, served.changing), asked
        assert client_seen == client_bare
        assert code == bare_code, said
        assert "nilometer:" not in said, said
        watching.settle(total)
        others = total - sum(served.statuses.values())
        assert watching.reasons().get("not_inference", 0) == others
        sums = watching.sums(ENTITY)
        assert served.measured <= sums.keys()
        found = {
            name: both for name, both in sums.items() if both[0] and name not in served.measured
        }
        assert watching.statuses(ENTITY) == served.statuses
        assert found == {
            name: (rows, pytest.approx(value, rel=1e-9, abs=1e-6))
            for name, (rows, value) in served.sums.items()
        }
    return f"{total:6,d} requests, {len(found):2d} columns, all answers and sums equal"


def total(of: Any) -> float:
    return float(sum(of(number) for number in range(EACH)))


A = total(lambda n: n)
B = total(lambda n: n / 4)
SCORE = 2 * A - B
