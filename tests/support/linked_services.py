"""The three linked services of the example, with an agent that ships to a collector."""

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nilometer.testing import eventually
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.demo.processes import free_port
from nilometer_collector.testing import Running, running

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pipeline"
STAGES = ("sensor", "comfort", "advice")


@dataclass(frozen=True, slots=True)
class Linked:
    """The running services.

    Attributes:
        collector: Collector that the agent ships to.
        agent: Agent of all three services.
        url: URL of the sensor.
    """

    collector: Running
    agent: Agent
    url: str

    def replay(self, end: float, **how: int) -> None:
        """Send readings with the example's own replay, and ship all windows."""
        send: Callable[..., int] = runpy.run_path(str(EXAMPLE / "replay.py"))["replay"]
        sent = send(self.url, end, **how)
        eventually(lambda: self.agent.counters.snapshot()["observations"] == len(STAGES) * sent)
        self.agent.stop()  # it closes and ships all windows

    def alarmed(self, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until every service is alarmed, and return the pipeline."""

        def pipeline() -> dict[str, Any] | None:
            found: dict[str, Any] = self.collector.get("pipeline")
            alarmed = [node for node in found["nodes"] if node["open_episodes"]]
            return found if len(alarmed) == len(STAGES) else None

        found = eventually(pipeline, timeout=timeout)
        assert found is not None
        return found


@contextmanager
def linked_services(directory: Path, **settings: int) -> Iterator[Linked]:
    """Run the services under uvicorn, an agent with *settings*, and a collector."""
    with running(directory / "collector.db") as collector, ExitStack() as stack:
        agent = Agent(
            AgentSettings(
                directory=str(directory / "agent"),
                collector=collector.collector.grpc_target,
                commit_seconds=0.05,
                **settings,  # type: ignore[arg-type]  # numbers only
            )
        )
        agent.start()
        stack.callback(agent.stop)
        ports = {stage: free_port() for stage in STAGES}
        urls = {stage: f"http://127.0.0.1:{port}/predict" for stage, port in ports.items()}
        environment = {
            "NILOMETER_AGENT": f"unix:{directory / 'agent' / 'agent.sock'}",
            "COMFORT_URL": urls["comfort"],
            "ADVICE_URL": urls["advice"],
        }
        for stage in STAGES:
            stack.enter_context(_served(stage, ports[stage], environment))
        eventually(lambda: all(map(_is_listening, ports.values())))
        yield Linked(collector, agent, urls["sensor"])


@contextmanager
def _served(stage: str, port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """Run one service until the block ends."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", f"main:{stage}", "--port", str(port)),
            *("--log-level", "warning", "--no-access-log"),
        ],
        cwd=EXAMPLE,
        env={**os.environ, **environment},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
