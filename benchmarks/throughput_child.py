"""A worker without a model server: packs batches of observations, and sends them to an agent.

Usage: python -m benchmarks.throughput_child SOCKET BATCHES SIZE

It prints "ready" for `benchmarks.throughput` when all batches are packed. At the end it prints the
number of observations that the agent did not acknowledge.
"""

import secrets
import sys
import time

import numpy as np

from benchmarks.pipeline import flat
from nilometer.handoff.link import AgentLink
from nilometer.handoff.pack import Packer, batch_of
from nilometer.handoff.settings import CaptureSettings
from nilometer.wire.frames import Batch

ENTITY = "benched"
HEADERS = ((b"host", b"model"), (b"content-type", b"application/json"))
DISTINCT = 64  # batches with different values
PATIENCE_SECONDS = 60.0


def packed(settings: CaptureSettings, size: int) -> list[bytes]:
    """Return batches of packed observations, as the capture thread sends them."""
    packer = Packer(settings)
    rng = np.random.default_rng(4)
    found = []
    for _ in range(DISTINCT):
        made = []
        for row in np.round(rng.normal(size=(size, 10)), 4).tolist():
            request, response = flat(row)
            headers = (HEADERS, HEADERS)
            head = (time.time_ns(), 0.012, 200, "ok", "POST", "/predict")
            made.append(packer.pack(*head, *headers, request, response, 3, None))
        found.append(batch_of(made))
    return found


def main(socket: str, batches: int, size: int) -> None:
    settings = CaptureSettings(entity=ENTITY, agent=f"unix:{socket}")
    link = AgentLink(settings, secrets.token_bytes(16))
    made = packed(settings, size)
    waiting = [
        Batch(entity=ENTITY, observations=made[at % DISTINCT], count=size) for at in range(batches)
    ]
    link.poll()
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in waiting:
        while not link.has_room():
            time.sleep(0.002)
            link.poll()
        link.send(batch, size)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while link.unacknowledged and time.monotonic() < deadline:
        time.sleep(0.01)
        link.poll()
    left = link.finish(deadline)
    print(left, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
