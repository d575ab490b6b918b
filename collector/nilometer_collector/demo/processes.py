"""Starts and stops the demo's processes: a collector, an agent and a model server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import grpc
import httpx

from nilometer.client.client import Client
from nilometer.profile.score import DECISION
from nilometer.settings.private import private_directory
from nilometer.values.errors import NilometerError
from nilometer.wire.services import FlushRequest, StatusReply, StatusRequest, agent_stub
from nilometer_collector.api.resources.declared_views import AppliedView
from nilometer_collector.commands.collector_client import CollectorClient
from nilometer_collector.commands.declared_files import read_files
from nilometer_collector.demo.model import OUTPUT
from nilometer_collector.demo.names import (
    ENTITY,
    EVENT_TIME_HEADER,
    MODEL_VARIABLE,
    WEBHOOK_VARIABLE,
    WINDOW_SECONDS,
)

START_SECONDS = 120.0  # a busy machine imports slowly
SETTLE_SECONDS = 180.0
GRACE_SECONDS = 6 * 3600


class DemoFailed(NilometerError):
    """A part of the demo failed."""


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def declare(page: str, directory: Path, webhook_url: str) -> dict[str, int]:
    """Apply the files in *directory*, like ``nilometer apply``.

    Args:
        page: URL of the collector.
        directory: Directory of the files.
        webhook_url: URL of the webhook for notifications, the secret of the declared channel.

    Returns:
        The number of objects by kind, such as ``{"entities": 2}``.

    Raises:
        NilometerError: If a file or an object is wrong.
    """
    os.environ[WEBHOOK_VARIABLE] = webhook_url
    files = read_files([directory])
    client = CollectorClient(lambda: Client(page))
    client.call("POST", "/api/v1/apply", AppliedView, body=files.document)
    return {kind: len(parts) for kind, parts in sorted(files.parts.items())}


class Processes:
    """The processes of the demo. They end with this process, even if it is killed.

    Args:
        directory: Directory for state and logs; created if it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        private_directory("directory", directory)
        self.http = f"127.0.0.1:{free_port()}"
        self.grpc = f"127.0.0.1:{free_port()}"
        self.model_url = f"http://127.0.0.1:{free_port()}"
        self.socket = directory / "agent" / "agent.sock"
        self._running: list[subprocess.Popen[bytes]] = []
        waits, self._guarded = os.pipe()  # the pipe is closed when this process ends in any way
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "nilometer_collector.demo.guard"],
            stdin=waits,
            start_new_session=True,  # so that it survives a signal to this process's group
        )
        os.close(waits)

    @property
    def page(self) -> str:
        """URL of the collector's pages."""
        return f"http://{self.http}"

    def start_collector(self, store: str = "") -> None:
        """Start the collector and wait until it responds.

        Args:
            store: URL of the PostgreSQL database; empty for a SQLite file in the directory.
        """
        options = {
            **({} if store else {"--database": str(self.directory / "collector.db")}),
            "--http-address": self.http,
            "--grpc-address": self.grpc,
        }
        flags = [word for pair in options.items() for word in pair]
        self._start(
            "collector",
            [sys.executable, "-m", "nilometer_collector", *flags],
            {
                "NILOMETER_COLLECTOR_WEBHOOK_ALLOW": "127.0.0.1",
                "NILOMETER_COLLECTOR_PUBLIC_URL": self.page,
                **({"NILOMETER_COLLECTOR_STORE": store} if store else {}),
            },
        )
        self._wait("collector", lambda: _answers(f"{self.page}/readyz"))

    def start_agent(self, window_seconds: int = WINDOW_SECONDS) -> None:
        """Start the agent with windows of *window_seconds*, and wait until it responds."""
        options = {
            "--directory": str(self.socket.parent),
            "--collector": self.grpc,
            "--name": "demo",
            "--window-seconds": str(window_seconds),
            "--grace-seconds": str(GRACE_SECONDS),
        }
        flags = [word for pair in options.items() for word in pair]
        settings = {
            "NILOMETER_AGENT_PREDICTION_LOG": ENTITY,
            "NILOMETER_AGENT_SCORES": json.dumps({f"output.{OUTPUT}": [DECISION]}),
        }
        self._start("agent", [sys.executable, "-m", "nilometer_agent", *flags], settings)
        self._wait("agent", lambda: self.agent_status() is not None)

    def start_server(self, model: Path, workers: int) -> None:
        """Start the model server under uvicorn and wait until it responds."""
        port = self.model_url.rpartition(":")[2]
        self._start(
            "server",
            [
                *(sys.executable, "-m", "uvicorn", "nilometer_collector.demo.app:app"),
                *("--port", port, "--workers", str(workers), "--no-access-log"),
                *("--log-level", "warning"),
            ],
            {
                MODEL_VARIABLE: str(model),
                "NILOMETER_AGENT": f"unix:{self.socket}",
                "NILOMETER_EVENT_TIME_HEADER": EVENT_TIME_HEADER,
            },
        )
        self._wait("server", lambda: _answers(f"{self.model_url}/healthz"))

    def agent_status(self) -> StatusReply | None:
        """Return the agent's status; None while it does not respond."""
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            try:
                reply: StatusReply = agent_stub(channel).Status(StatusRequest(), timeout=2)
            except grpc.RpcError:
                return None
            return reply

    def settle(self, observations: int) -> None:
        """Wait until the agent has *observations*, flush it, and wait until its outbox is empty."""

        def arrived() -> bool:
            status = self.agent_status()
            return status is not None and status.counters["observations"] >= observations

        def shipped() -> bool:
            status = self.agent_status()
            gauges = {} if status is None else status.gauges
            waiting = ("rows_in_outbox", "predictions_in_outbox")
            return status is not None and not any(gauges[name] for name in waiting)

        self._wait("observations", arrived, SETTLE_SECONDS)
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            agent_stub(channel).Flush(FlushRequest(), timeout=SETTLE_SECONDS)
        self._wait("outbox", shipped, SETTLE_SECONDS)

    def wait_until_judged(self, last: datetime) -> None:
        """Wait until the default alerter has judged all windows that end before *last*."""

        def judged() -> bool:
            asked = {"entity": ENTITY}
            answer = httpx.get(f"{self.page}/api/v1/watch", params=asked, trust_env=False).json()
            ends = [one["judged"] or 0.0 for one in answer["entities"]]
            return bool(ends) and min(ends) >= last.timestamp() // WINDOW_SECONDS * WINDOW_SECONDS

        self._wait("default alerter", judged, SETTLE_SECONDS)

    def stop(self) -> None:
        """Stop all processes, in reverse order of their start."""
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self._running = []
        self._guard.kill()  # all processes have ended already
        self._guard.wait()
        os.close(self._guarded)

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        # gRPC is quiet in this command only: the logs of the processes have its lines.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("NILOMETER_") and (name, value) != ("GRPC_VERBOSITY", "NONE")
        }
        with (self.directory / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env={**inherited, **environment},
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the others
            )
        self._running.append(process)
        os.write(self._guarded, b"%d\n" % process.pid)

    def _wait(
        self, what: str, condition: Callable[[], bool], seconds: float = START_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            dead = [process for process in self._running if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise DemoFailed(f"{what}: not ready; see the logs in {self.directory}")
            time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
