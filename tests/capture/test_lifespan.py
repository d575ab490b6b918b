"""What real servers say and do about an application's lifespan, bare and observed."""

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
from support.lifespans import LIFESPANS

from nilometer.testing import eventually

BIN = Path(sys.executable).parent
SUPPORT = Path(__file__).resolve().parents[1] / "support"
SERVERS = {
    "uvicorn": ["uvicorn", "{app}", "--port", "{port}"],
    "uvicorn-on": ["uvicorn", "{app}", "--port", "{port}", "--lifespan", "on"],
    "uvicorn-off": ["uvicorn", "{app}", "--port", "{port}", "--lifespan", "off"],
    "gunicorn": [
        *("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "--no-control-socket"),
        *("-b", "127.0.0.1:{port}", "{app}"),
    ],
    "hypercorn": ["hypercorn", "-b", "127.0.0.1:{port}", "{app}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "{app}"],
}
# A sample; NILOMETER_LIFESPANS=all runs the whole matrix, which takes a minute and a half.
CASES = [
    (server, lifespan)
    for place, server in enumerate(SERVERS)
    for number, lifespan in enumerate(LIFESPANS)
    if os.environ.get("NILOMETER_LIFESPANS") == "all" or (place + number) % 4 == 0
]
# What differs from one run to the next, and the frames that our code adds to a traceback.
VARIES = [
    (
        r"^[ |]*File \"[^\"]*/nilometer/[^\"]*\", line .*\n(?:[ |]*(?!File)\S.*\n)?(?:[ |]*[~^]+\n)?",
        "",
    ),
    (r"\d{2,}|\bbare_|\bobserved_", "N"),
    (r"^(INFO|WARNING|ERROR): +", r"\1: "),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """One server under way, and what it said."""

    def __init__(self, server: str, app: str, agent: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        command = [part.format(app=f"lifespans:{app}", port=self.port) for part in SERVERS[server]]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=SUPPORT,
                env={
                    **os.environ,
                    "PATH": f"{BIN}:{os.environ['PATH']}",
                    "PYTHONPATH": str(SUPPORT),
                    "NILOMETER_AGENT": agent,
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def ask(self) -> str:
        """The answer to one request; empty where the server ends without one."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/x", timeout=60) as found:
                    return str(found.read().decode())
            except OSError:
                time.sleep(0.05)
        return ""

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def said(self) -> list[str]:
        """Its lines, without what varies."""
        text = self.log.read_text()
        for pattern, instead in VARIES:
            text = re.sub(pattern, instead, text, flags=re.MULTILINE)
        return sorted(line for line in text.splitlines() if line.strip(" ^~|"))


@contextmanager
def bare_and_observed(
    server: str, lifespan: str, agent: str, directory: Path
) -> Iterator[tuple[Run, Run]]:
    runs = [
        Run(server, f"{kind}_{lifespan}", agent, directory / kind) for kind in ("bare", "observed")
    ]
    try:
        yield runs[0], runs[1]
    finally:
        for run in runs:
            run.kill()


@pytest.mark.parametrize(("server", "lifespan"), CASES)
def test_a_server_says_and_does_the_same(server: str, lifespan: str, tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path / "agent.sock")
    try:
        with bare_and_observed(server, lifespan, agent.address, tmp_path) as (bare, observed):
            answers = bare.ask(), observed.ask()
            assert answers[0] == answers[1]
            served = answers[1] == "served"
            # Without a lifespan a server may end at once, and what was not handed on is lost.
            eventually(lambda: len(agent.observations) == served)
            codes = bare.stop(), observed.stop()
        assert observed.said() == bare.said()
        assert codes[0] == codes[1]
        assert len(agent.observations) == served
    finally:
        agent.stop()
