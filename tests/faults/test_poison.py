"""A batch that ends the agent: one observation is dropped, and a kill from outside drops nothing."""

import json
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from faults.zygote import Zygote
from support.poison import CONTENT_TYPE, ENDING_ENTITY, ENDING_WINDOWS, WAYS

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profile import Coverage, Profile
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.v1.agent_pb2 import CaptureBatch
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_to_bytes
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    FlushRequest,
    StatusReply,
    StatusRequest,
    agent_stub,
)

pytestmark = pytest.mark.timeout(300)

START_NS = 1_700_000_000 * 10**9
MOST_ENDS = 3
KILLS = 1  # of an agent at one observation, before it tries it in a child
DEADLINE_SECONDS = 240.0  # only for a test that would never end: machines may be slow


def batch(count: int, ways: dict[int, str]) -> Batch:
    """So many observations, those with an index in *ways* poisonous."""
    rows = []
    for at in range(count):
        told = {"amount": at, **({"way": ways[at]} if at in ways else {})}
        body = json.dumps(told).encode()
        rows.append(
            (
                *(START_NS + at, 0.01, 200, "ok", "POST", "/predict", len(body), 2),
                *(CONTENT_TYPE, "", "application/json", "", body, b"{}", ""),
            )
        )
    return Batch(entity="tested", observations=pack(rows), count=count)


def delta(entity: str, count: int) -> Batch:
    """A profile that a worker made of so many observations."""
    profile = Profile(entity, Labels(), Window.containing(START_NS, 60 * 10**9))
    profile.cover(Coverage(profiled=count))
    partials = [sample_to_bytes(sample) for sample in profile.samples()]
    return Batch(entity=entity, partials=partials, count=count)


@dataclass(slots=True)
class Suspected:
    """An agent that is started again whenever it ends, and what became of what it was sent."""

    zygote: Zygote
    home: Path
    ends: int = 0
    agent: int = 0
    links: list[AgentLink] = field(default_factory=list)

    @property
    def notes(self) -> Path:
        return self.home.with_suffix(".notes")

    def start(self) -> None:
        self.agent = self.zygote.start(
            "suspicious_agent",
            directory=str(self.home),
            counts=str(self.home.with_suffix(".counts")),
            notes=str(self.notes),
        )

    def link(self) -> AgentLink:
        name = bytes([len(self.links)]) * 16
        settings = CaptureSettings(entity="tested", agent=f"unix:{self.home / 'agent.sock'}")
        self.links.append(AgentLink(settings, name))
        return self.links[-1]

    def ended(self) -> None:
        self.ends += 1
        self.start()

    def kill(self) -> None:
        self.zygote.kill(self.agent)
        self.ended()

    def settle(self, watch: Callable[[], None] = lambda: None) -> StatusReply:
        """Tend all links until everything is acknowledged; the agent's account of it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while any(link.unacknowledged_batches for link in self.links):
            assert time.monotonic() < deadline, self.zygote.log()[-3000:]
            for link in self.links:
                link.poll()
            if self.zygote.ended(self.agent) is not None:
                self.ended()
            watch()
            time.sleep(0.005)
        return self.status()

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"unix:{self.home / 'agent.sock'}", options=CHANNEL_OPTIONS)

    def status(self) -> StatusReply:
        with self.channel() as channel:
            reply: StatusReply = agent_stub(channel).Status(StatusRequest(), timeout=60)
        return reply


@contextmanager
def suspected(zygote: Zygote, home: Path) -> Iterator[Suspected]:
    one = Suspected(zygote, home)
    one.notes.touch()
    one.start()
    try:
        yield one
    finally:
        for link in one.links:
            link.finish(0.0)
        if zygote.ended(one.agent) is None:
            zygote.kill(one.agent)


def poisoned(zygote: Zygote, home: Path, way: str, *, count: int, at: int) -> int:
    """Send a batch with one poisonous observation, among others; how often the agent ended."""
    with suspected(zygote, home) as one:
        good, bad = one.link(), one.link()
        eventually((home / "agent.sock").exists)
        for _ in range(3):
            good.send(batch(5, {}), 5)
        bad.send(batch(count, {at: way}), count)
        for link in (bad, good):
            link.send(batch(7, {}), 7)

        def probe() -> None:
            """End an agent that hangs, as a liveness probe does."""
            if str(one.agent) in one.notes.read_text("ascii").split():
                one.kill()

        found = one.settle(probe)
        assert dict(found.dropped) == {"poison": 1}, (way, found.dropped, zygote.log()[-3000:])
        assert one.ends <= MOST_ENDS, (way, one.ends)
        # Those that came before the last end are in no counter of this agent; they are stored.
        assert _stored(found) == 3 * 5 + count + 2 * 7, (way, found)
        return one.ends


def _stored(status: StatusReply) -> int:
    gauges = status.gauges
    return int(gauges["observations_in_partials"] + gauges["observations_in_outbox"])


def poison(zygote: Zygote, directory: Path, *, seed: int, kills: int) -> str:
    """Each way to end a process, at each place of a batch; then kills that are no poison."""
    draw = random.Random(seed)
    logging.getLogger("nilometer.capture").setLevel(logging.CRITICAL)  # of agents that are gone
    print(
        "\n| way | batch | at | agent ended | dropped | lost beside it |\n|---|---|---|---|---|---|"
    )
    most = 0
    for way in (way for way in WAYS if way != "stop"):
        for count, at in ((1, 0), (256, 0), (256, 255), (256, draw.randrange(1, 255))):
            ends = poisoned(zygote, directory / f"{way}{count}-{at}", way, count=count, at=at)
            print(f"| {way} | {count} | {at} | {ends} | 1 | 0 |", flush=True)
            most = max(most, ends)
    for kill_children in (0, 2):
        stopped(zygote, directory / f"stop{kill_children}", kill_children=kill_children)
    sent = storm(zygote, directory / "storm", seed=seed, kills=kills)
    return (
        f"{len(WAYS) - 1} ways x 4 places: 1 dropped each, 0 lost beside it, the agent ended {most} "
        f"times at most; {kills + 2 * KILLS} kills: 0 of {sent} observations dropped"
    )


def stopped(zygote: Zygote, home: Path, *, kill_children: int) -> int:
    """Kill the agent each time that it is at one certain observation; nothing may be dropped.

    Args:
        zygote: Makes the processes.
        home: Of the agent.
        kill_children: Kills, after that, of a child that tries the observation.
    """
    with suspected(zygote, home) as one:
        path = one.notes
        path.write_text("\n".join("-" * (KILLS + kill_children)), "ascii")
        link = one.link()
        eventually((home / "agent.sock").exists)
        link.send(batch(20, {11: "stop"}), 20)
        link.send(batch(3, {}), 3)
        killed: set[str] = set()

        def kill() -> None:
            for process in path.read_text("ascii").split():
                if process != "-" and process not in killed and _is_stopped(int(process)):
                    killed.add(process)
                    if int(process) == one.agent:
                        one.kill()
                    else:
                        os.kill(int(process), signal.SIGKILL)

        found = one.settle(kill)
        assert len(killed) == KILLS + kill_children, (killed, path.read_text("ascii"))
        assert dict(found.dropped) == {}
        assert _stored(found) == 23
        return one.ends


def _is_stopped(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def storm(zygote: Zygote, home: Path, *, seed: int, kills: int) -> int:
    """Kills at random moments; nothing may be dropped. Returns the observations that were sent."""
    draw = random.Random(seed)
    with suspected(zygote, home) as one:
        for _ in range(3):
            one.link()
        sent = 0
        while one.ends < kills:
            for link in one.links:
                count = draw.randrange(1, 20)
                if link.unacknowledged_batches < 50:
                    link.send(batch(count, {}), count)
                    sent += count
            until = time.monotonic() + draw.uniform(0.02, 0.4)
            while time.monotonic() < until:
                for link in one.links:
                    link.poll()
                time.sleep(0.002)
            one.kill()
        found = one.settle()
        assert dict(found.dropped) == {}
        assert _stored(found) == sent
    return sent


@pytest.mark.parametrize(
    ("way", "count", "at"),
    [
        ("abort", 256, 255),
        ("fault", 1, 0),
        ("exit", 40, 17),
        ("kill", 40, 0),
        ("grow", 3, 1),
        ("loop", 3, 1),
    ],
)
def test_only_what_ends_the_agent_is_dropped(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory, way: str, count: int, at: int
) -> None:
    poisoned(zygote, tmp_path_factory.mktemp("p") / "a", way, count=count, at=at)


@pytest.mark.parametrize("kill_children", [0, 2])
def test_kills_at_one_observation_drop_nothing(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory, kill_children: int
) -> None:
    home = tmp_path_factory.mktemp("p") / "a"
    assert stopped(zygote, home, kill_children=kill_children) == KILLS


def test_a_delta_that_ends_the_agent_is_dropped_as_a_whole(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with suspected(zygote, tmp_path_factory.mktemp("p") / "a") as one:
        link = one.link()
        eventually((one.home / "agent.sock").exists)
        link.send(delta("tested", 4), 4)
        link.send(delta(ENDING_ENTITY, 5), 5)
        link.send(delta("tested", 6), 6)
        found = one.settle()
        assert dict(found.dropped) == {"poison": 5}
        assert one.ends <= MOST_ENDS
        assert _stored(found) == 4 + 5 + 6


def test_a_window_that_ends_the_agent_when_it_closes_is_closed_without_its_profiles(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with suspected(zygote, tmp_path_factory.mktemp("p") / "a") as one:
        link = one.link()
        eventually((one.home / "agent.sock").exists)
        link.send(batch(4, {}), 4)
        ending = batch(5, {})
        ending.entity = ENDING_WINDOWS
        link.send(ending, 5)
        one.settle()
        deadline = time.monotonic() + DEADLINE_SECONDS
        flushed = False
        while not flushed:
            assert time.monotonic() < deadline, zygote.log()[-3000:]
            with suppress(grpc.RpcError), one.channel() as channel:
                agent_stub(channel).Flush(FlushRequest(), timeout=30)
                flushed = True
            if zygote.ended(one.agent) is not None:
                flushed = False
                one.ended()
        found = one.status()
        assert 1 <= one.ends <= MOST_ENDS
        assert found.counters["windows_lost"] == 1
        assert found.gauges["observations_in_partials"] == 0
        assert found.gauges["observations_in_outbox"] == 4 + 5


def test_what_ends_the_agent_by_way_of_grpc_is_dropped(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with suspected(zygote, tmp_path_factory.mktemp("p") / "a") as one:
        batches = [
            CaptureBatch(
                worker=b"w" * 16,
                sequence=number,
                entity="tested",
                count=9,
                observations=batch(9, {3: "abort"} if number == 2 else {}).observations,
            )
            for number in (1, 2, 3)
        ]
        acknowledged = 0
        deadline = time.monotonic() + DEADLINE_SECONDS
        while acknowledged < 3:
            assert time.monotonic() < deadline, zygote.log()[-3000:]
            with suppress(grpc.RpcError), one.channel() as channel:
                for answer in agent_stub(channel).Capture(iter(batches), timeout=60):
                    acknowledged = answer.sequence
            if zygote.ended(one.agent) is not None:
                one.ended()
            time.sleep(0.02)
        found = one.status()
        assert dict(found.dropped) == {"poison": 1}
        assert one.ends <= MOST_ENDS
        assert _stored(found) == 27
