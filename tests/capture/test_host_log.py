"""What a person reads who looks at uvicorn's own output, with its default logging."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fake_agent import FakeAgent
from support.measures import calm_seconds

from nilometer.handoff.link import _why
from nilometer.handoff.peer import ForeignPeer
from nilometer.handoff.settings import CaptureSettings
from nilometer.handoff.spawn import START_SECONDS
from nilometer.testing import eventually

BIN = Path(sys.executable).parent
TESTS = Path(__file__).resolve().parents[1]
REQUESTS = 20
# Even root obeys the modes of files and directories without CAP_DAC_OVERRIDE and
# CAP_DAC_READ_SEARCH; 24 is PR_CAPBSET_DROP, which others may not do and need not.
OBEYING_MODES = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
SECONDS = 5.0  # after the first request, within which the line is there


class Server:
    """uvicorn under way."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", OBEYING_MODES, BIN / "uvicorn"),
                    *("support.observed_app:app", "--port", str(self.port)),
                ],
                env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
                stdout=subprocess.DEVNULL,  # the access log
                stderr=output,
                start_new_session=True,
            )

    def ask(self) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/x", timeout=60) as answer:
            assert answer.read() == b"served"

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def lines(self) -> list[str]:
        """The lines of ours."""
        text = self.log.read_text()
        return [line for line in text.splitlines() if line.startswith("nilometer: ")]


@contextmanager
def served(log: Path, **environment: str) -> Iterator[Server]:
    server = Server(log, environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(60)


def said(log: Path, within: float = SECONDS, **environment: str) -> tuple[list[str], list[str]]:
    """Our lines some seconds after the first request, and those that the end of the process added."""
    with served(log, **environment) as server:
        eventually(server.listens, poll=0.05)
        server.ask()
        began = calm_seconds()
        for _ in range(REQUESTS - 1):
            server.ask()
        eventually(server.lines)
        assert calm_seconds() - began < within
        time.sleep(1.5)  # more attempts
        first = server.lines()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) in {0, -signal.SIGTERM}
        return first, server.lines()[len(first) :]


@contextmanager
def no_entry(path: Path, mode: int) -> Iterator[None]:
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(0o700)


def check(found: tuple[list[str], list[str]], reason: str) -> None:
    """One line that says *reason*, and a count at the end that says it again."""
    (line,), (count,) = found
    assert line == f"nilometer: {reason}"
    assert count == f"nilometer: {REQUESTS} observations of fraud-scorer were lost: {reason}"


def test_no_agent_listens(tmp_path: Path) -> None:
    at = tmp_path / "agent.sock"
    check(
        said(tmp_path / "log", NILOMETER_AGENT=f"unix:{at}"),
        f"no agent is reachable at {at}: nothing listens there: start `nilometer agent --socket {at}`",
    )


def test_the_directory_of_the_socket_is_missing(tmp_path: Path) -> None:
    at = tmp_path / "none" / "agent.sock"
    check(
        said(tmp_path / "log", NILOMETER_AGENT=f"unix:{at}"),
        f"no agent is reachable at {at}: there is no such directory: share the agent's with this "
        "process",
    )


def test_the_directory_of_the_socket_lets_nobody_in(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    at = home / "agent.sock"
    agent = FakeAgent(at)
    try:
        with no_entry(home, 0):
            found = said(tmp_path / "log", NILOMETER_AGENT=f"unix:{at}")
    finally:
        agent.stop()
    check(
        found,
        f"no agent is reachable at {at}: uid {os.geteuid()} has no permission: let it into {home}, "
        "or run the agent as the same user",
    )


@pytest.mark.parametrize("below", ["", "new"])
def test_the_directory_of_an_agent_to_start_cannot_be_written(below: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with no_entry(home, 0o500):
        found = said(tmp_path / "log", NILOMETER_DIRECTORY=str(home / below))
    where = f": directory = '{home / below}'" if below else f" in {home}"
    check(
        found,
        f"no agent can be started{where}: Permission denied: let uid {os.geteuid()} "
        "write there, or set `directory`",
    )


def test_the_agent_is_not_installed(tmp_path: Path) -> None:
    check(
        said(tmp_path / "log", BLOCKED_MODULE="sqlite_utils nilometer_agent"),
        "no agent can be started: the agent needs nilometer_agent, sqlite_utils: "
        "pip install 'nilometer[agent]'",
    )


def test_the_agent_does_not_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    check(
        said(
            tmp_path / "log",
            within=3 * START_SECONDS,  # the agent itself has to fail first
            NILOMETER_DIRECTORY=str(home),
            NILOMETER_AGENT_WINDOW_SECONDS="none",
        ),
        f"the agent did not start: see {home / 'agent.log'}",
    )


def test_the_agent_refuses(tmp_path: Path) -> None:
    at = tmp_path / "agent.sock"
    agent = FakeAgent(at, refuses="200 workers are served: raise max_workers")
    try:
        found = said(tmp_path / "log", NILOMETER_AGENT=agent.address)
    finally:
        agent.stop()
    check(
        found, f"the agent at {at} refused this process: 200 workers are served: raise max_workers"
    )


def test_the_path_of_the_socket_is_too_long(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / ('d' * 107)}/agent.sock"
    with served(tmp_path / "log", NILOMETER_AGENT=address) as server:
        assert server.process.wait(60) == 1
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert re.search(
        r"ConfigError: agent = 'unix:/.*': the path of the socket must be at most", last
    )
    assert last.endswith("bytes: choose a shorter one")


def test_an_agent_of_another_user_is_named(tmp_path: Path) -> None:
    settings = CaptureSettings(entity="tested", agent=f"unix:{tmp_path}/agent.sock")
    line = _why(
        ForeignPeer("the peer runs as uid 7: neither uid 0, root nor in allowed_uids"), settings
    )
    assert "is not trusted: the peer runs as uid 7" in line
    assert line.endswith("add that uid to allowed_uids if it is yours")


def test_an_agent_that_takes_everything_is_no_line(tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path / "agent.sock")
    try:
        with served(tmp_path / "log", NILOMETER_AGENT=agent.address) as server:
            eventually(server.listens, poll=0.05)
            for _ in range(REQUESTS):
                server.ask()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
        assert server.lines() == []
        assert len(agent.observations) == REQUESTS
    finally:
        agent.stop()
