"""Memory after many observations: what is held does not grow with what was seen."""

import json
import random
import time
from pathlib import Path

import grpc
import psutil
import pytest
from faults import oracle
from faults.zygote import Zygote

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.wire.frames import Batch
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    FlushRequest,
    StatusRequest,
    agent_stub,
)

BATCH = 256
BATCHES_A_WINDOW = 100
MOST_BYTES = 150 << 20  # of the agent
GROWTH_BYTES = 512 << 10  # a million observations
WARM_RATIO = 0.2  # of the run, before memory is measured
UNSETTLED_BYTES = 6 << 20  # how far a short run's slope may be off: one arena of the allocator


def batches(draw: random.Random) -> list[bytes]:
    """Packed observations, some dozens of different ones."""
    made = []
    for number in range(40):
        rows = []
        for j in range(BATCH):
            body = {"amount": draw.gauss(100, 20), "country": draw.choice("abcdefgh"), "n": j}
            content = json.dumps(body).encode()
            rows.append(
                (
                    *(oracle.START_NS + number, draw.random() / 10, 200, "ok", "POST", "/predict"),
                    *(len(content), 14, "application/json", "", "application/json", ""),
                    *(content, b'{"score": 0.5}', ""),
                )
            )
        made.append(pack(rows))
    return made


def soak(zygote: Zygote, directory: Path, *, observations: int) -> str:
    """Send *observations* to an agent and watch its memory; a line for the table."""
    home = directory / "a"
    process = zygote.start(
        "agent",
        directory=str(home),
        collector="",
        counts=str(directory / "counts"),
        max_outbox_bytes=8 << 20,
    )
    watched = psutil.Process(process)
    eventually((home / "agent.sock").exists)
    link = AgentLink(CaptureSettings(entity="soak", agent=f"unix:{home / 'agent.sock'}"), b"w" * 16)
    packed = batches(random.Random(1))
    ours = psutil.Process()
    host_before = ours.memory_info().rss
    points: list[tuple[float, float]] = []
    sent = 0
    started = time.monotonic()
    next_at = observations * WARM_RATIO
    for number in range(observations // BATCH):
        hour = number // BATCHES_A_WINDOW
        message = Batch(
            entity="soak",
            observations=packed[number % len(packed)],
            count=BATCH,
            labels={"hour": str(hour % 24)},
        )
        while not link.has_room() or link.unacknowledged_batches > 64:
            time.sleep(0.001)
            link.poll()
        link.send(message, BATCH)
        link.poll()
        sent += BATCH
        if sent >= next_at:
            next_at += observations / 40
            points.append((sent / 1e6, watched.memory_info().rss))
    seconds = time.monotonic() - started
    left = link.finish(time.monotonic() + 30)
    assert left == 0
    host = ours.memory_info().rss - host_before
    with grpc.insecure_channel(f"unix:{home / 'agent.sock'}", options=CHANNEL_OPTIONS) as channel:
        agent_stub(channel).Flush(FlushRequest(), timeout=60)
        counted = agent_stub(channel).Status(StatusRequest(), timeout=60).counters
    zygote.kill(process)
    assert counted["observations"] == sent
    assert counted["profiled"] == sent
    peak = max(memory for _, memory in points)
    growth = _slope(points)
    assert peak <= MOST_BYTES, peak
    assert host <= 32 << 20, host
    assert growth * observations / 1e6 <= GROWTH_BYTES * observations / 1e6 + UNSETTLED_BYTES
    if observations >= 5_000_000:
        assert growth <= GROWTH_BYTES, growth
    return (
        f"{sent} observations at {sent / seconds:.0f}/s: agent at most {peak / 2**20:.0f} MiB, "
        f"growing {growth / 1024:.0f} KiB a million; host +{host / 2**20:.1f} MiB"
    )


def _slope(points: list[tuple[float, float]]) -> float:
    """Bytes a million observations, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return above / below


def test_memory_does_not_grow_with_what_was_seen(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    print(soak(zygote, tmp_path_factory.mktemp("k"), observations=400_000))
