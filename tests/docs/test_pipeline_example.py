"""The example of three linked services: an upstream unit change is named as the first mover."""

import os
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nilometer.testing import eventually
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.commands.declared_files import read_files
from nilometer_collector.demo.processes import free_port
from nilometer_collector.testing import Running, running

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pipeline"
STAGES = ("sensor", "comfort", "advice")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[tuple[Running, Agent, str]]:
    """A collector, an agent, and the three services; the last value is the URL of the sensor."""
    with running(tmp_path / "collector.db") as collector, ExitStack() as stack:
        agent = Agent(
            AgentSettings(
                directory=str(tmp_path / "agent"),
                collector=collector.collector.grpc_target,
                commit_seconds=0.05,
            )
        )
        agent.start()
        stack.callback(agent.stop)
        ports = {stage: free_port() for stage in STAGES}
        urls = {stage: f"http://127.0.0.1:{port}/predict" for stage, port in ports.items()}
        environment = {
            "NILOMETER_AGENT": f"unix:{tmp_path / 'agent' / 'agent.sock'}",
            "COMFORT_URL": urls["comfort"],
            "ADVICE_URL": urls["advice"],
        }
        for stage in STAGES:
            stack.enter_context(served(stage, ports[stage], environment))
        eventually(lambda: all(map(is_listening, ports.values())))
        yield collector, agent, urls["sensor"]


@contextmanager
def served(stage: str, port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """Run one service under uvicorn until the block ends."""
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


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_upstream_unit_change_is_named_as_the_first_mover(
    pipeline: tuple[Running, Agent, str],
) -> None:
    collector, agent, url = pipeline
    document = read_files([EXAMPLE / "apply"]).document
    collector.http.post("/api/v1/apply", json=document).raise_for_status()
    sent = runpy.run_path(str(EXAMPLE / "replay.py"))["replay"](url, time.time_ns() / 1e9)
    eventually(lambda: agent.counters.snapshot()["observations"] == len(STAGES) * sent)
    agent.stop()  # it closes and ships all windows
    found: dict[str, Any] = {}

    def all_are_alarmed() -> bool:
        found.update(collector.get("pipeline"))
        return len({node["name"] for node in found["nodes"] if node["open_episodes"]}) == len(
            STAGES
        )

    eventually(all_are_alarmed)
    (mover,) = found["first_movers"]
    assert mover["entity"] == "sensor"
    assert mover["followers"] == ["advice", "comfort"]  # all moved in the same window
    assert "UTC: output.temperature: mean is" in mover["sentence"]
    edges = {(one["source"], one["reader"]): one for one in found["edges"]}
    assert edges.keys() == {("sensor", "comfort"), ("comfort", "advice")}
    for edge in edges.values():
        assert (edge["declared"], edge["call"]["share"]) == (False, 1.0)
        assert (edge["columns"], edge["findings"]) == (1, [])  # the fault is in the sensor itself
