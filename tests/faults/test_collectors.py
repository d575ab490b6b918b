"""Three collectors on one PostgreSQL, and kill -9 of one of them again and again."""

import math
import random
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import grpc
from faults.zygote import Zygote
from support.stores import PostgresqlPlace

from nilometer.alert import Evaluation
from nilometer.profile import SummarySample
from nilometer.testing import eventually
from nilometer.wire.services import CHANNEL_OPTIONS, collector_stub
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.testing import (
    Sender,
    Webhook,
    a_row,
    an_evaluation,
    feature_sample,
    listening_webhook,
    minute,
)

CHANNEL = "pager"
COLLECTORS, AGENTS = 3, 4
MOST_ROWS = 8  # in one call
ROWS_BETWEEN_TURNS = 25  # each agent opens or closes its episode so often
KILLS_A_VERDICT = 100  # kills after which all that was acknowledged is judged
SETTLED_SECONDS = 100.0  # for the next delivery; one of a killed collector waits for its lease


def pager(webhook: Webhook) -> dict[str, object]:
    """A channel that gets a message for each change of an episode."""
    return {
        "name": CHANNEL,
        "kind": "pagerduty",
        "settings": {"url": webhook.url.partition("/services")[0]},
        "secrets": {"routing_key": "none"},
    }


@dataclass
class Collectors:
    """Collectors on one database, with the ports of those that run."""

    zygote: Zygote
    directory: Path
    settings: dict[str, object]
    ports: dict[int, str] = field(default_factory=dict)  # by process
    _numbers: "count[int]" = field(default_factory=count)

    def start(self) -> None:
        """Start a collector, and wait until it serves."""
        number = next(self._numbers)
        port = self.directory / f"port-{number}"
        counts = self.directory / f"counts-{number}"
        process = self.zygote.start(
            "collector", database="", port=str(port), counts=str(counts), settings=self.settings
        )
        eventually(lambda: port.exists() or self.zygote.ended(process) is not None, 60)
        assert port.exists(), self.zygote.log()[-3000:]
        self.ports = {**self.ports, process: port.read_text()}

    def kill(self, process: int) -> None:
        """Kill a collector with signal 9."""
        self.ports = {one: port for one, port in self.ports.items() if one != process}
        self.zygote.kill(process)

    def kill_all(self) -> None:
        """Kill every collector."""
        for process in list(self.ports):
            self.kill(process)


class Agent(threading.Thread):
    """Ships rows to any collector until it is told to end; then ships until all are acknowledged.

    Row *n* is a sample of *n* values, or now and then an evaluation that opens or closes an episode.
    """

    def __init__(self, number: int, seed: int, collectors: Collectors) -> None:
        super().__init__(name=f"pod-{number}", daemon=True)
        self.acknowledged = 0
        self.repeats = 0
        self.ending = threading.Event()
        self._random = random.Random(f"{seed}-{number}")
        self._collectors = collectors
        self._channels: dict[str, grpc.Channel] = {}

    def run(self) -> None:
        """Ship, and ship again what was not acknowledged."""
        with ExitStack() as channels:
            while not self.ending.is_set():
                last = self.acknowledged + self._random.randint(1, MOST_ROWS)
                while not self._ship(self.acknowledged + 1, last, channels):
                    self.repeats += 1
                self.acknowledged = last
                if self._random.random() < 0.1:  # as if the reply had been lost
                    self.repeats += self._ship(max(last - MOST_ROWS, 1), last, channels)

    def content(self, sequence: int) -> SummarySample | Evaluation:
        """The row of *sequence*: what it holds depends on that alone."""
        turn, rest = divmod(sequence, ROWS_BETWEEN_TURNS)
        labels = {"agent": self.name}
        if rest == 0:
            # An episode opens and closes once, because one that flaps is told less often.
            labels["episode"] = str((turn + 1) // 2)
            return an_evaluation(0.5 if turn % 2 else 0.1, turn, labels=labels)
        return feature_sample([1.0] * (sequence % 7 + 1), labels=labels, window=minute(turn))

    def _ship(self, first: int, last: int, channels: ExitStack) -> bool:
        """Ship rows to a collector; return whether it acknowledged them."""
        ports = list(self._collectors.ports.values())
        port = self._random.choice(ports)
        channel = self._channels.get(port)
        if channel is None:
            channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS)
            self._channels[port] = channels.enter_context(channel)
        epoch = self.name.encode().ljust(16, b".")
        sender = Sender(collector_stub(channel), agent=self.name, epoch=epoch)
        rows = [a_row(sequence, self.content(sequence)) for sequence in range(first, last + 1)]
        try:
            reply = sender.send(rows, oldest_held=self.acknowledged + 1)
        except grpc.RpcError:
            return False
        assert not reply.rejected, reply
        return True


def kills(
    zygote: Zygote,
    directory: Path,
    server: Server,
    *,
    seed: int,
    count: int,
    most_seconds: float = math.inf,
) -> str:
    """Kill one of three collectors *count* times, or as often as *most_seconds* allow.

    After each `KILLS_A_VERDICT` kills, all is judged, a line says so, and an empty database follows. So a
    run that is cut off has a verdict, too.
    """
    deadline = time.monotonic() + most_seconds
    done, seen = 0, ""
    while done < count and time.monotonic() < deadline:
        most = min(KILLS_A_VERDICT, count - done)
        killed, seen = killed_and_judged(
            zygote, directory, server, seed=seed + done, count=most, deadline=deadline
        )
        done += killed
        print(f"holds so far: {done} kills; the last {killed}: {seen}", flush=True)
    return f"{done} kills, the last with {seen}"


def killed_and_judged(
    zygote: Zygote, directory: Path, server: Server, *, seed: int, count: int, deadline: float
) -> tuple[int, str]:
    """Kill collectors of one database at most *count* times; return how often, and what was seen."""
    chosen = random.Random(seed)
    done = 0
    place = PostgresqlPlace(server, server.create_database())
    with listening_webhook() as webhook, tempfile.TemporaryDirectory(dir=directory) as files:
        collectors = Collectors(
            zygote,
            Path(files),
            {
                "store": place.url,
                "channels": [pager(webhook)],
                "webhook_allow": ["127.0.0.1"],
            },
        )
        try:
            for _ in range(COLLECTORS):
                collectors.start()
            agents = [Agent(number, seed, collectors) for number in range(AGENTS)]
            for agent in agents:
                agent.start()
            while done < count and time.monotonic() < deadline:
                enough = (done + 1) * 2 * ROWS_BETWEEN_TURNS
                wanted = chosen.randint(enough // 2, enough)
                eventually(lambda: sum(one.acknowledged for one in agents) > wanted, 120)  # noqa: B023
                collectors.kill(chosen.choice(list(collectors.ports)))
                collectors.start()
                done += 1
            for agent in agents:
                agent.ending.set()
            for agent in agents:
                agent.join(120)
                assert not agent.is_alive()
            return done, judged(place, agents, webhook, done)
        finally:
            collectors.kill_all()
            place.close()


def waiting(place: PostgresqlPlace) -> int:
    """Return the number of notifications that wait for their delivery."""
    ((found,),) = place.change(
        postgresql="SELECT count(*) FROM deliveries WHERE delivered_ns IS NULL "
        f"AND refused_ns IS NULL AND withheld_ns IS NULL AND channel = '{CHANNEL}'"
    )
    return int(str(found))


def judged(place: PostgresqlPlace, agents: list[Agent], webhook: Webhook, faults: int) -> str:
    """Compare what is stored and was posted with what was acknowledged, after *faults*."""
    while before := waiting(place):  # kills leave a backlog, which is delivered at a limited pace
        eventually(lambda: waiting(place) < before, SETTLED_SECONDS, 0.1)
    rows = place.change(
        postgresql="SELECT agent, sequence, observations FROM samples "
        "JOIN streams ON streams.id = samples.stream"
    )
    found = Counter((agent, sequence) for agent, sequence, _ in rows)
    expected = {
        (agent.name, sequence)
        for agent in agents
        for sequence in range(1, agent.acknowledged + 1)
        if sequence % ROWS_BETWEEN_TURNS
    }
    lost = expected - found.keys()
    assert not lost, f"{len(lost)} lost"
    assert not found.keys() - expected, "invented"
    assert set(found.values()) == {1}, "doubled"
    assert all(seen == int(str(sequence)) % 7 + 1 for _, sequence, seen in rows), "changed"
    turns = sum(agent.acknowledged // ROWS_BETWEEN_TURNS for agent in agents)
    ((changes,),) = place.change(postgresql="SELECT count(*) FROM transitions")
    assert changes == turns, f"{changes} transitions of {turns}"
    keys = {str(key) for (key,) in place.change(postgresql="SELECT key FROM deliveries")}
    posted = Counter(one.key for one in webhook.accepted)
    assert posted.keys() == keys
    assert len(keys) == turns
    repeated = sum(posted.values()) - len(posted)
    assert repeated <= faults, "a notification was posted twice without a fault"
    repeats = sum(agent.repeats for agent in agents)
    assert repeats, "no row was shipped twice: this showed nothing"
    return (
        f"{len(found)} samples, {turns} turns, {repeats} calls repeated, "
        f"{repeated} notifications repeated under their key"
    )


def test_the_kill_of_a_collector_loses_and_doubles_nothing(
    zygote: Zygote, tmp_path: Path, postgresql: Server
) -> None:
    print(kills(zygote, tmp_path, postgresql, seed=1, count=4))
