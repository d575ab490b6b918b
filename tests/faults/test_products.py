"""Memory under products of two things that a client chooses: bounded by what is configured."""

import contextlib
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from faults.products import CASES, Sent

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.wire.frames import Batch
from nilometer.wire.services import CHANNEL_OPTIONS, FlushRequest, StatusRequest, agent_stub

MOST_BYTES = 150 << 20  # of the agent
HOST_BYTES = 64 << 20  # that a host which profiles in its process may grow by
CASE_SECONDS = 600.0
SEED = 1


@contextlib.contextmanager
def started(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An agent in its default settings, with a segment, without a collector."""
    command = [sys.executable, "-m", "nilometer", "agent", "--directory", str(home)]
    environment = {**os.environ, "NILOMETER_AGENT_SEGMENTS": "s=input.s"}
    with (home.parent / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--collector", ""], env=environment, stdout=log, stderr=log
        )
    try:
        eventually((home / "agent.sock.frames").exists)
        yield process
    finally:
        process.kill()
        process.wait()


def peak_bytes(process: int) -> int:
    """Most resident memory of a process since `forget_peak`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found.group(1)) << 10


def forget_peak(process: int) -> None:
    """Let the peak of a process begin anew."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def send(link: AgentLink, sent: Sent) -> int:
    """Send a batch once there is room; its observations."""
    batch = Batch(
        entity=sent.entity,
        labels=sent.labels,
        event_time_field=sent.event_time_field,
        observations=pack(list(sent.observations)),
        count=len(sent.observations),
    )
    while not link.has_room() or link.unacknowledged_batches > 64:
        link.poll()
        time.sleep(0.001)
    link.send(batch, len(sent.observations))
    link.poll()
    return len(sent.observations)


def products(directory: Path, *, seed: int, names: Sequence[str]) -> str:
    """Send each case to one agent, and close all windows after it; a line for the table."""
    home = directory / "a"
    told = []
    with (
        started(home) as agent,
        grpc.insecure_channel(f"unix:{home / 'agent.sock'}", options=CHANNEL_OPTIONS) as channel,
    ):
        stub = agent_stub(channel)
        sent = 0
        for name in names:
            forget_peak(agent.pid)
            began = time.monotonic()
            settings = CaptureSettings(entity="products", agent=f"unix:{home / 'agent.sock'}")
            link = AgentLink(settings, os.urandom(16))
            sent += sum(send(link, one) for one in CASES[name](random.Random(seed)))
            assert link.finish(time.monotonic() + CASE_SECONDS) == 0, name
            stub.Flush(FlushRequest(), timeout=CASE_SECONDS)
            counted = stub.Status(StatusRequest(), timeout=60).counters
            assert counted["observations"] == sent, (name, counted["observations"], sent)
            peak = peak_bytes(agent.pid)
            told.append((peak, name))
            print(f"{name:32} {peak >> 20:4} MiB {time.monotonic() - began:5.1f} s", flush=True)
    worst, where = max(told)
    assert worst <= MOST_BYTES, f"{worst >> 20} MiB: {where}"
    return f"{len(told)} products: agent at most {worst >> 20} MiB ({where})"


def host(directory: Path, *, seed: int, names: Sequence[str]) -> str:
    """Feed cases to a process that profiles in itself; a line for the table."""
    home = directory / "h"
    with started(home):
        fed = subprocess.run(
            [sys.executable, "-m", "faults.host", str(home / "agent.sock"), str(seed), *names],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            timeout=10 * CASE_SECONDS,
            check=False,
        )
    assert fed.returncode == 0, fed.stderr[-2000:]
    grown = int(fed.stdout)
    assert grown <= HOST_BYTES, f"{grown >> 20} MiB"
    return f"a host that profiles {len(names)} of them +{grown >> 20} MiB"


SHORT = ("rows by columns of their own", "declared shapes", "tensors by columns")


def test_an_agent_in_its_default_settings_stays_under_150_mib(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names = ["rows by known features", *random.Random(SEED).sample(SHORT, 2)]
    print(products(tmp_path_factory.mktemp("p"), seed=SEED, names=names))


def test_a_host_that_profiles_in_its_process_grows_by_64_mib_at_most(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names = ["rows by known features", random.Random(SEED).choice(SHORT)]
    print(host(tmp_path_factory.mktemp("p"), seed=SEED, names=names))
