"""A collector that is away for three days, a restart with a full outbox, a thousand agents back."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import children, oracle
from faults.zygote import Zygote
from support.measures import ATTEMPTS

from nilometer.testing import SteppedClock, eventually
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    ShipReply,
    ShipRequest,
    StatusRequest,
    agent_stub,
)
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, NewRow, WindowKey
from nilometer_agent.uplink.backoff import Backoff
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.ship import Shipper

HOURS = 72
ROWS_A_MINUTE = 13  # of an entity with a dozen features
ROW_BYTES = 800
CAP_BYTES = 256 << 20
MINUTES_AT_ONCE = 20  # in one transaction, for speed
GROWTH_BYTES = 48 << 20
# A channel that waits a second before it connects again would measure its own waits.
OFTEN = [(f"grpc.{which}_reconnect_backoff_ms", 100) for which in ("initial", "min", "max")]
READY_SECONDS = 2.0
MOST_FLOORS = 4  # times as long as with an empty outbox


class MemoryCollector:
    """Takes rows as the real one does, in memory: each once, and none below what is said to be held.

    Attributes:
        sequences: Of the rows that were taken, as they came, by epoch.
        rows: How many were taken.
        repeated: How many were not, because they came before or never would.
    """

    def __init__(self) -> None:
        self.sequences: dict[bytes, list[int]] = {}
        self.rows = self.repeated = 0
        self._marks: Counter[bytes] = Counter()

    def Ship(self, request: ShipRequest, timeout: float) -> ShipReply:
        assert timeout > 0
        taken = self.sequences.setdefault(request.epoch, [])
        known = set(taken)
        for row in request.rows:
            if row.sequence <= self._marks[request.epoch] or row.sequence in known:
                self.repeated += 1
                continue
            taken.append(row.sequence)
            self.rows += 1
        mark = self._marks[request.epoch]
        self._marks[request.epoch] = max(mark, request.oldest_held - 1)
        return ShipReply()

    def GetPlan(self, request: Any, timeout: float) -> Any:
        raise AssertionError

    def probe(self) -> tuple[Reach, str]:
        return Reach.ANSWERS, ""


def a_payload(draw: random.Random) -> bytes:
    """A sample as long as a feature's."""
    from nilometer.wire.services import Row

    row = Row()
    row.sample.entity = draw.randbytes(ROW_BYTES // 2).hex()
    return row.sample.SerializeToString()


def away(directory: Path, *, seed: int, hours: int) -> str:
    """*hours* without a collector, with a restart every six; a line for the table."""
    draw = random.Random(seed)
    clock, counters = SteppedClock(), Counters()
    path = directory / "agent.db"
    buffer = Buffer(path, clock, counters, max_bytes=CAP_BYTES)
    process = psutil.Process()
    payloads = [a_payload(draw) for _ in range(64)]
    before = peak = process.memory_info().rss
    restarts = rows = 0
    for step in range(hours * 60 // MINUTES_AT_ONCE):
        closings = []
        deltas = []
        for minute in range(step * MINUTES_AT_ONCE, (step + 1) * MINUTES_AT_ONCE):
            key = WindowKey("e", Labels.of(), Window(minute * 60, minute * 60 + 60))
            deltas.append(Delta(key, payloads[minute % 64], 100))
        buffer.commit_deltas(deltas, {b"w" * 16: step + 1})
        for delta in deltas:
            ids = [partial.id for partial in buffer.partials(delta.key)]
            new = [NewRow("sample", draw.choice(payloads), 0) for _ in range(ROWS_A_MINUTE)]
            closings.append(Closing(delta.key, ids, new))
            rows += len(new)
        assert buffer.close_windows(closings, buffer.generation)
        buffer.settle()
        buffer.make_room()
        clock.step(60.0 * MINUTES_AT_ONCE)
        if step % (360 // MINUTES_AT_ONCE) == 359 // MINUTES_AT_ONCE:
            buffer.close()
            buffer = Buffer(path, clock, counters, max_bytes=CAP_BYTES)
            restarts += 1
        peak = max(peak, process.memory_info().rss)
    assert restarts > 0
    assert counters.snapshot()["rows_dropped_for_space"] == 0
    assert buffer.queued() == rows
    assert path.stat().st_size <= CAP_BYTES
    assert peak - before < GROWTH_BYTES
    collector = MemoryCollector()
    shipper = Shipper("pod-1", b"i" * 16, buffer, collector, counters, clock)
    started = time.monotonic()
    while shipper.ship_once():
        pass
    seconds = time.monotonic() - started
    assert (collector.rows, collector.repeated) == (rows, 0)
    assert all(found == sorted(set(found)) for found in collector.sequences.values())
    assert len(collector.sequences) == restarts + bool(hours * 60 % 360)
    rate = rows / seconds
    assert rate > 10 * ROWS_A_MINUTE / 60
    buffer.close()
    return (
        f"{hours} h, {restarts} restarts, {rows} rows in {path.stat().st_size >> 20} MiB, memory "
        f"+{(peak - before) >> 20} MiB, 0 lost, drained at {rate:.0f} rows/s "
        f"({rate * 60 / ROWS_A_MINUTE:.0f} x live)"
    )


def restart(zygote: Zygote, directory: Path, *, rows: int) -> str:
    """An agent starts with *rows* in its outbox; a line for the table.

    The bound is of elapsed time, so that slow work on the disk fails. On a busy machine it grows
    with the time that an agent with an empty outbox takes just before.
    """
    empty, full = directory / "empty", directory / "full"
    for home in (empty, full):
        home.mkdir(mode=0o700)
    payloads = [a_payload(random.Random(1)) for _ in range(16)]
    buffer = Buffer(full / "agent.db")
    for first in range(0, rows, 5000):
        key = WindowKey("e", Labels.of(), Window(first, first + 60))
        new = [NewRow("sample", payloads[n % 16], 1) for n in range(min(5000, rows - first))]
        assert buffer.close_windows([Closing(key, [], new)], buffer.generation)
    buffer.settle()
    size = (full / "agent.db").stat().st_size
    buffer.close()
    seconds_until_ready(zygote, empty, rows=0)  # makes its files
    tried = []
    for _ in range(ATTEMPTS):
        floor = seconds_until_ready(zygote, empty, rows=0)
        seconds = seconds_until_ready(zygote, full, rows=rows)
        if seconds < max(READY_SECONDS, MOST_FLOORS * floor):
            return (
                f"{rows} rows ({size >> 20} MiB): ready after {seconds:.2f} s, "
                f"with an empty outbox after {floor:.2f} s"
            )
        tried.append((floor, seconds))
    raise AssertionError(f"seconds with an empty and a full outbox: {tried}")


def seconds_until_ready(zygote: Zygote, home: Path, *, rows: int) -> float:
    """Elapsed seconds until an agent in *home* says that its outbox has *rows*; it is killed."""
    import grpc

    started = time.monotonic()
    process = zygote.start("agent", directory=str(home), collector="", counts=f"{home}.counts")
    options = [*CHANNEL_OPTIONS, *OFTEN]
    with grpc.insecure_channel(f"unix:{home / 'agent.sock'}", options=options) as channel:

        def queued() -> int | None:
            try:
                reply = agent_stub(channel).Status(StatusRequest(), timeout=2)
            except grpc.RpcError:
                return None
            return int(reply.gauges["rows_in_outbox"])

        eventually(lambda: queued() == rows)
        seconds = time.monotonic() - started
    zygote.kill(process)
    return seconds


def herd(*, seed: int, agents: int, outage_seconds: float) -> tuple[int, float]:
    """Arrivals in the busiest second after an outage; attempts a second in its last half.

    Full jitter makes the first second after an outage the busiest: a wait is 30 s in the mean and
    60 s at the most, so twice as many come in it as in a mean second of the minute in which all
    come back. What a collector must bear is the rate at which agents ask at any time; no second
    of their return may be a burst beside it.
    """
    draw = random.Random(seed)
    arrivals: Counter[int] = Counter()
    attempts = 0
    for _ in range(agents):
        backoff = Backoff(draw)
        # All of them notice within the second in which their windows close.
        at = draw.random()
        while at < outage_seconds:
            attempts += at >= outage_seconds / 2
            at += backoff.fail()
        arrivals[int(at - outage_seconds)] += 1
    assert arrivals.total() == agents
    assert max(arrivals) < 60  # seconds until the last is back
    return max(arrivals.values()), attempts / (outage_seconds / 2)


def herds(*, seed: int, outages: int) -> str:
    """*outages* of 1,000 agents, the first of 72 h, the others of ten minutes; a line for the table."""
    ratios = []
    for run in range(outages):
        hours = 72.0 if run == 0 else 1 / 6
        peak, mean = herd(seed=seed + run, agents=1000, outage_seconds=3600 * hours)
        ratios.append(peak / mean)
    assert max(ratios) <= 2.0, sorted(ratios)
    return (
        f"{outages} outages: busiest second {sorted(ratios)[outages // 2]:.2f} x the mean rate of "
        f"attempts in the middle one, {max(ratios):.2f} x in the worst"
    )


def test_three_days_without_a_collector_lose_nothing(tmp_path: Path) -> None:
    print(away(tmp_path, seed=1, hours=HOURS))


def test_an_agent_with_a_hundred_thousand_rows_is_ready_in_two_seconds(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    print(restart(zygote, tmp_path_factory.mktemp("r"), rows=100_000))


@pytest.mark.parametrize("outage_seconds", [600.0, 3600.0, 12 * 3600.0])
def test_a_thousand_agents_come_back_apart(outage_seconds: float) -> None:
    for seed in range(3):
        peak, mean = herd(seed=seed, agents=1000, outage_seconds=outage_seconds)
        assert peak <= 2 * mean, (seed, peak, mean)


def test_the_payloads_of_the_oracle_are_its_own() -> None:
    assert all(oracle.number_of(oracle.payload(n)) == n for n in range(1000))
    spoilt = bytearray(oracle.payload(7))
    spoilt[-1] ^= 1
    assert oracle.number_of(bytes(spoilt)) is None
    assert children.STEPS
