"""A hanging engine fails the liveness probe, so that the kubelet restarts the agent."""

import threading
from pathlib import Path

import pytest

from nilometer.testing import eventually
from nilometer_agent.engine import engine
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings


def test_an_engine_that_hangs_is_neither_alive_nor_ready(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HUNG_SECONDS", 0.3)
    home: Path = tmp_path_factory.mktemp("a")
    settings = AgentSettings(directory=str(home), collector="", commit_seconds=0.02)
    agent = Agent(settings)
    agent.start()
    go_on = threading.Event()
    try:
        eventually(lambda: agent.engine.works)
        monkeypatch.setattr(agent.buffer, "maintain", lambda: go_on.wait(60))
        eventually(lambda: not agent.engine.works)
        go_on.set()
        eventually(lambda: agent.engine.works)
    finally:
        go_on.set()
        agent.stop()
    assert not agent.engine.works
