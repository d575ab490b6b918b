"""Capture loads few modules and starts few threads in the process of a model server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_agent import FakeAgent

from nilometer.testing import eventually

# Serves requests, hands them on, and tells what is in the process while it is still at work.
SERVED = """
import asyncio, json, pathlib, sys, threading, time
import nilometer

# No helper of the tests: what it imports would be in the process, too.
SCOPE = dict(
    type="http", method="POST", path="/predict", query_string=b"",
    headers=[(b"content-type", b"application/json")],
)

async def echo(scope, receive, send):
    body = (await receive())["body"]
    await send(dict(type="http.response.start", status=200, headers=SCOPE["headers"]))
    await send(dict(type="http.response.body", body=body))

async def receive():
    return dict(type="http.request", body=b'{{"amount": 1}}', more_body=False)

async def send(message):
    pass

app = nilometer.NilometerMiddleware(echo, entity="tested", agent={agent!r})

async def serve():
    for _ in range(20):
        await app(dict(SCOPE), receive, send)

asyncio.run(serve())
worker = app._worker
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    link = getattr(worker.outlet, "_link", None)
    if link is not None and worker._taken == 20 and link.unacknowledged == 0:
        break
    time.sleep(0.01)
told = dict(
    modules=sorted(name for name in sys.modules),
    threads=[thread.name for thread in threading.enumerate()],
    tasks=len(list(pathlib.Path("/proc/self/task").iterdir())),
)
worker.stop()
print(json.dumps(told))
"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


def test_a_served_process_has_one_thread_of_ours_and_neither_grpc_nor_protobuf(
    agent: FakeAgent,
) -> None:
    script = SERVED.format(agent=agent.address)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    eventually(lambda: len(agent.observations) == 20)
    heavy = ("grpc", "google.protobuf", "numpy", "sqlite3", "opentelemetry")
    brought = [
        name for name in told["modules"] if any(f"{name}.".startswith(f"{one}.") for one in heavy)
    ]
    assert brought == []
    assert told["threads"] == ["MainThread", "nilometer-capture"]
    assert told["tasks"] == 2
