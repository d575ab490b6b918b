"""Logged predictions reach the collector once, through kills of the agent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import grpc
import pytest

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.wire.frames import Batch
from nilometer.wire.services import StatusRequest, agent_stub
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.testing import Running, running

ENTITY = "tested"
KILLS = 20 if os.environ.get("NILOMETER_LONG") else 2
ROWS = 20  # predictions between two kills


def batch_of(numbers: range) -> Batch:
    def one(number: int) -> tuple[object, ...]:
        response = json.dumps({"predictions": [{"score": number / 8}]}).encode()
        return (
            *(1_700_000_000_000_000_000 + number, 0.01, 200, "ok", "POST", "/predict", 2, 2),
            *("application/json", "", "application/json", ""),
            *(b'{"instances": [{"a": 1}]}', response, "", 1, 0.0, 0, b"", "", f"id-{number}"),
        )

    return Batch(entity=ENTITY, observations=pack([*map(one, numbers)]), count=len(numbers))


def answers(home: Path) -> bool:
    try:
        with grpc.insecure_channel(f"unix:{home / 'agent.sock'}") as channel:
            agent_stub(channel).Status(StatusRequest(), timeout=60)
    except grpc.RpcError:
        return False
    return True


def link_to(home: Path) -> AgentLink:
    settings = CaptureSettings(entity=ENTITY, agent=f"unix:{home / 'agent.sock'}")
    return AgentLink(settings, os.urandom(16))


def settings_of(home: Path, collector: str) -> AgentSettings:
    return AgentSettings(directory=str(home), collector=collector, prediction_log=(ENTITY,))


def ids_at(served: Running) -> Counter[str]:
    """Return how often the collector has each prediction."""
    listed = served.get("predictions", entity=ENTITY, limit=10_000)
    return Counter(one["prediction_id"] for one in listed["predictions"])


def test_kills_between_commit_and_shipping_lose_and_double_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("a")
    command = [sys.executable, "-m", "nilometer_agent", "--directory", str(home)]
    environment = {**os.environ, "NILOMETER_AGENT_PREDICTION_LOG": ENTITY}
    environment["NILOMETER_AGENT_COLLECTOR"] = "127.0.0.1:1"  # nothing can be shipped yet
    for kill in range(KILLS):
        with (home / "log").open("ab") as log:
            agent = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            eventually(lambda: answers(home))
            link = link_to(home)
            link.send(batch_of(range(kill * ROWS, (kill + 1) * ROWS)), ROWS)
            # The agent acknowledges a batch after its commit.
            assert link.finish(time.monotonic() + 60) == 0, (home / "log").read_text()
        finally:
            agent.send_signal(signal.SIGKILL)
            agent.wait(60)
    with running(tmp_path / "collector.db") as served:
        last = Agent(settings_of(home, served.collector.grpc_target))
        assert last.gauges()["predictions_in_outbox"] == KILLS * ROWS
        last.start()
        try:
            eventually(lambda: last.gauges()["predictions_in_outbox"] == 0)
        finally:
            last.stop()
        assert ids_at(served) == Counter(f"id-{number}" for number in range(KILLS * ROWS))
        counts = last.counters.snapshot()
    assert counts["predictions_acknowledged"] == counts["predictions_found"] == KILLS * ROWS
