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


def request_of(identity: str, scores: list[float], at: int) -> tuple[object, ...]:
    """Return the observation of one request with a row for each score."""
    request = json.dumps({"instances": [{"a": 1}] * len(scores)}).encode()
    response = json.dumps({"predictions": [{"score": score} for score in scores]}).encode()
    return (
        *(1_700_000_000_000_000_000 + at, 0.01, 200, "ok", "POST", "/predict", 2, 2),
        *("application/json", "", "application/json", ""),
        *(request, response, "", 1, 0.0, 0, b"", "", identity),
    )


def test_ground_truth_joins_each_row_of_a_request_and_no_id_that_repeats(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The row index survives the way from the request over agent and collector to the label."""
    requests = [
        request_of("batch", [0.1, 0.6, 0.9], 1),
        request_of("single", [0.7], 2),
        request_of("again", [0.2, 0.3], 3),
        request_of("again", [0.8], 4),
    ]
    with running(tmp_path / "collector.db") as served:
        home = tmp_path_factory.mktemp("a")
        agent = Agent(settings_of(home, served.collector.grpc_target))
        agent.start()
        try:
            link = link_to(home)
            link.send(Batch(entity=ENTITY, observations=pack(requests), count=4), 4)
            assert link.finish(time.monotonic() + 60) == 0
            eventually(
                lambda: agent.counters.snapshot()["predictions_acknowledged"] == 7,
                timeout=60,
            )
        finally:
            agent.stop()
        listed = served.get("predictions", entity=ENTITY, limit=100)
        rows = [(one["prediction_id"], one["row"]) for one in listed["predictions"]]
        assert sorted(rows) == [
            *(("again", 0), ("again", 1), ("batch", 0), ("batch", 1), ("batch", 2), ("single", 0)),
        ]
        assert listed["ambiguous"] == 2
        counted = served.http.get("/readyz").json()["counters"]
        assert (counted["predictions_stored"], counted["predictions_ambiguous"]) == (6, 1)
        judged = {"entity": ENTITY, "task": "binary", "score": "score", "step_seconds": 300}
        document = {"version": 1, "entities": [{"name": ENTITY}], "performance": [judged]}
        served.http.post("/api/v1/apply", json=document).raise_for_status()
        truths = [
            *({"id": "batch", "row": row, "value": int(row == 2)} for row in range(3)),
            *({"id": "again", "row": row, "value": 1} for row in range(2)),
            *({"id": "single", "value": 1}, {"id": "single", "row": 1, "value": 1}),
        ]
        told = served.http.post("/api/v1/ground-truth", json={"entity": ENTITY, "rows": truths})
        assert told.json()["counts"] == {"joined": 4, "ambiguous": 2, "waiting": 1}
        found = served.get("samples", entity=ENTITY, summary="performance", step=300)
        (performance,) = [one["performance"] for one in found["samples"]]
        # Row 1 of the batch is wrong: its score is 0.6, and its label is 0.
        assert performance["count"] == 4
        assert performance["metrics"]["accuracy_ratio"]["value"] == 0.75
