"""An outbox that open windows fill: the agent goes on, because closed windows need less room."""

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from faults.products import keys, one

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.wire.frames import Batch
from nilometer_agent.outbox.rows import Delta, LoggedRows
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings

BATCHES = 4


@pytest.mark.timeout(120)
def test_open_windows_close_early_if_they_fill_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AgentSettings(directory=str(tmp_path), collector="", commit_seconds=0.02)
    agent = Agent(settings)
    commit = agent.buffer.commit_deltas

    def with_room_for_one(
        deltas: Sequence[Delta], sequences: Mapping[bytes, int], predictions: LoggedRows
    ) -> None:
        if agent.buffer.open_windows() and deltas:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        commit(deltas, sequences, predictions)

    monkeypatch.setattr(agent.buffer, "commit_deltas", with_room_for_one)
    agent.start()
    link = AgentLink(
        CaptureSettings(entity="scorer", agent=f"unix:{settings.socket_path}"), os.urandom(16)
    )
    try:
        for at in range(BATCHES):
            observations = pack([one(keys(3), minute=at)])
            link.send(Batch(entity="scorer", observations=observations, count=1), 1)
            assert link.finish(time.monotonic() + 60) == 0
    finally:
        agent.stop()
    counted = agent.counters.snapshot()
    assert counted["observations"] == counted["profiled"] == BATCHES
