"""An engine whose steps are called by the test, on a disk that may fail."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nilometer.profile import SummarySample
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_from_bytes
from nilometer_agent.engine.close import ATTEMPTS, RETRY_SECONDS, OnClosed
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.in_work import InWork
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import NOT_LOGGED, Delta, LoggedRows, WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper


def batch(sequence: int, amount: float = 1.0, *, observations: bytes | None = None) -> Batch:
    one = (
        *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict", 15, 2),
        *("application/json", "", "application/json", ""),
        *(b'{"amount": %f}' % amount, b"{}", ""),
    )
    packed = pack([one]) if observations is None else observations
    return Batch(worker=b"w", sequence=sequence, entity="tested", observations=packed, count=1)


class FailingBuffer(Buffer):
    failures = 0

    def commit_deltas(
        self,
        deltas: Sequence[Delta],
        sequences: Mapping[bytes, int],
        predictions: LoggedRows = NOT_LOGGED,
    ) -> None:
        if self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        super().commit_deltas(deltas, sequences, predictions)


class Rig:
    """An engine whose steps are called by the test instead of its thread."""

    def __init__(
        self,
        directory: Path,
        *,
        plans: Callable[[Buffer], PlanKeeper] = lambda buffer: PlanKeeper(buffer, None),
        on_closed: OnClosed = lambda *_: None,
        in_work: InWork | None = None,
        **settings: Any,
    ) -> None:
        self.buffer = FailingBuffer(directory / "agent.db")
        self.counters = Counters()
        self.clock = SteppedClock()
        self.acknowledged: list[int] = []
        self.engine = Engine(
            AgentSettings(collector="", **settings),
            self.buffer,
            plans(self.buffer),
            self.counters,
            self.clock,
            on_closed=on_closed,
            in_work=in_work,
        )

    def give(self, one: Batch) -> None:
        self.engine._item = Arrival(one, self.acknowledged.append)
        self.engine._step()

    def commit(self) -> None:
        self.engine._item = Arrival(None, lambda _: None)
        self.engine._step()

    def close(self) -> None:
        """Close every window, with as many attempts as one window may need."""
        for _ in range(ATTEMPTS + 1):
            self.engine._close_all()
            self.clock.step(RETRY_SECONDS)

    @property
    def open(self) -> list[WindowKey]:
        return list(self.engine._closer.open)

    def samples(self) -> list[SummarySample]:
        """Return the samples that the collector would get."""
        rows, _ = self.buffer.oldest(1000, 1 << 30)
        return [sample_from_bytes(row.payload) for row in rows if row.kind == "sample"]

    def stored(self) -> int:
        self.engine._close_all()
        return sum(s.coverage.seen for s in self.samples() if s.summary == "service")
