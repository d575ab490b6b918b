"""An error at any line of the receive path: every observation is counted once, none twice.

A trace function raises once, at the n-th line that the engine's thread runs in our code. The file of
the outbox is left out: what a transaction does with an error is tested in its own room.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest

import nilometer
import nilometer_agent
from nilometer.profile import Profile
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.privacy import BY_DEFAULT, Disclosure, Privacy
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes
from nilometer_agent.engine.close import RETRY_SECONDS
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.in_work import InWork
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MINUTE_NS = 60 * 10**9
START_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
OURS = tuple(
    str(Path(str(package.__file__)).parent / room)
    for package, rooms in (
        (nilometer_agent, ("engine",)),
        (nilometer, ("profiling", "profile", "decode", "sketch")),
    )
    for room in rooms
)
ERRORS = (MemoryError, RecursionError, OSError)
LONG = "NILOMETER_LONG" in os.environ  # every line is tried
TRIALS = 100_000 if LONG else 60  # lines that are tried, spread over all of them
SUSPECT_TRIALS = 300 if LONG else 5  # of a batch that is tried in a child first: that takes longer
WORKER = b"w" * 16
MANY, FEW = 40, 3  # observations that are read a column at a time, and one by one


class Raiser:
    """Raises *error* at the line *at*, counted from the first of ours; 0 only counts."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.lines = 0
        self.raised = ""
        self._at = at
        self._error = error

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if event == "call" and not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line" and not self.raised:
            self.lines += 1
            if self.lines == self._at:
                self.raised = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                raise self._error(self.raised)
        return self._trace


def observations(count: int, body: bytes, *, content_type: str = "application/json") -> bytes:
    one = (
        *(START_NS, 0.01, 200, "ok", "POST", "/predict", len(body), 14),
        *(content_type, "", "application/json", ""),
        *(body, b'{"score": 0.5}', ""),
    )
    return pack([one] * count)


def partial(entity: str = "tested") -> bytes:
    profile = Profile(entity, Labels(), Window.containing(START_NS, MINUTE_NS))
    profile.cover(nilometer.profile.Coverage(profiled=FEW))
    (sample,) = profile.samples()
    return sample_to_bytes(sample)


KINDS: dict[str, Callable[[], Batch]] = {
    "alike": lambda: Batch(
        entity="tested", count=MANY, observations=observations(MANY, b'{"amount": 1.5}')
    ),
    "one by one": lambda: Batch(
        entity="tested", count=FEW, observations=observations(FEW, b'{"amount": 1, "to": "x"}')
    ),
    "undecodable": lambda: Batch(
        entity="tested", count=FEW, observations=observations(FEW, b"{", content_type="text/x")
    ),
    "malformed": lambda: Batch(entity="tested", count=FEW, observations=b"\x91\xc0"),
    "lost before": lambda: Batch(
        entity="tested", dropped={"queue_full": FEW}, dropped_unix_nano=START_NS
    ),
    "made elsewhere": lambda: Batch(entity="tested", count=FEW, partials=[partial()]),
    "made of another entity": lambda: Batch(
        entity="tested", count=FEW, partials=[partial(), partial("other")]
    ),
    "more than it says": lambda: Batch(
        entity="tested", count=FEW, observations=observations(FEW + 2, b'{"amount": 1.5}')
    ),
    "less than it says": lambda: Batch(
        entity="tested", count=FEW + 2, observations=observations(FEW, b'{"amount": 1.5}')
    ),
    "made elsewhere, more than it says": lambda: Batch(
        entity="tested", count=FEW - 1, partials=[partial()]
    ),
    "made elsewhere, less than it says": lambda: Batch(
        entity="tested", count=FEW + 2, partials=[partial()]
    ),
    "in both forms": lambda: Batch(
        entity="tested",
        count=2 * FEW,
        partials=[partial()],
        observations=observations(FEW, b'{"amount": 1.5}'),
    ),
}


class Rig:
    """An engine whose steps are called, not run.

    Attributes:
        in_work: What the engine before had in work.
    """

    def __init__(self, directory: Path, disclosure: Disclosure) -> None:
        self.in_work = directory / "in-work"
        self.disclosure = disclosure
        self.buffer = Buffer(directory / "agent.db", max_bytes=64 << 20)
        self.counters = Counters()
        self.engine = self.started()
        self.sent = 0
        self.sequence = 0
        self.acknowledged: list[int] = []
        self.acknowledge = self.acknowledged.append

    def started(self) -> Engine:
        return Engine(
            AgentSettings(collector=""),
            self.buffer,
            PlanKeeper(self.buffer, None, disclosure=self.disclosure),
            self.counters,
            SteppedClock(),
            in_work=InWork(self.in_work, {}),
        )

    def give_suspect(self, batch: Batch, fault: Raiser | None = None, *, ends: int) -> None:
        """Give a batch that has ended *ends* engines that had nothing else in work."""
        for _ in range(ends):
            before = InWork(self.in_work, {})
            suspect = before.suspect(WORKER, self.sequence + 1)
            if suspect is None:
                before.begin(WORKER, self.sequence + 1)
            else:
                before.begin_alone(suspect, WORKER, self.sequence + 1)
            before.close()
        self.engine._in_work.close()
        self.engine = self.started()
        self.give(batch, fault)

    def give(self, batch: Batch, fault: Raiser | None = None) -> None:
        self.sequence += 1
        batch.worker, batch.sequence = WORKER, self.sequence
        self.sent += batch.count + sum(batch.dropped.values())
        self.run(Arrival(batch, self.acknowledge), fault)

    def commit(self, fault: Raiser | None = None) -> None:
        self.run(Arrival(None, lambda _: None), fault)

    def run(self, item: Arrival, fault: Raiser | None) -> None:
        """Do *item* as the thread does: again, until it is done."""
        self.engine._item = item
        if fault is not None:
            try:
                with fault:
                    self.engine._step()
            except ERRORS:
                pass
        for _ in range(3):
            if self.engine._item is None and self.engine._receipt is None:
                break
            self.engine._step()
        assert self.engine._item is None

    def close(self, fault: Raiser | None = None) -> None:
        """Close every window, as the thread does: again, until it is done."""
        closer = self.engine._closer
        assert isinstance(self.engine._clock, SteppedClock)
        if fault is not None:
            with suppress(*ERRORS), fault:
                closer.close_all()
        for _ in range(3):
            closer.close_all()
            self.engine._clock.step(RETRY_SECONDS)
        assert not closer.open

    def check(self, where: str) -> None:
        self.commit()
        counted = self.counters.snapshot()
        assert counted["observations"] == self.sent, where
        assert counted["observations"] == (
            counted["profiled"] + counted["undecodable"] + counted["dropped"]
        ), where
        assert self.acknowledged[-1] == self.sequence, where

    def stored(self) -> int:
        self.engine._close_all()
        rows, _ = self.buffer.oldest(100_000, 1 << 30)
        samples = [sample_from_bytes(row.payload) for row in rows if row.kind == "sample"]
        return sum(s.coverage.seen for s in samples if s.summary == "service")


@pytest.fixture(params=[BY_DEFAULT, Disclosure(Privacy.STRICT)], ids=["pod", "strict"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    one = Rig(tmp_path, request.param)
    yield one
    one.buffer.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_at_any_line_of_receiving_costs_no_account(rig: Rig, kind: str) -> None:
    made = KINDS[kind]
    rig.give(made())  # shapes are learned
    counting = Raiser(0, MemoryError)
    rig.give(made(), counting)
    assert counting.lines > 10
    errors = itertools.cycle(ERRORS)
    step = max(1, counting.lines // TRIALS)
    for at in range(1, counting.lines + 1, step):
        fault = Raiser(at, next(errors))
        rig.give(made(), fault)
        rig.give(made())
        rig.check(f"{kind}, line {at}: {fault.raised}")
    assert rig.stored() == rig.sent


@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_at_any_line_of_receiving_a_suspect_costs_no_account(
    rig: Rig, kind: str, ends: int
) -> None:
    made = KINDS[kind]
    counting = Raiser(0, MemoryError)
    rig.give_suspect(made(), counting, ends=ends)
    errors = itertools.cycle(ERRORS)
    step = max(1, counting.lines // SUSPECT_TRIALS)
    for at in range(1, counting.lines + 1, step):
        fault = Raiser(at, next(errors))
        rig.give_suspect(made(), fault, ends=ends)
        rig.give(made())
        rig.check(f"{kind}, {ends} ends, line {at}: {fault.raised}")
    assert rig.stored() == rig.sent


def test_an_error_at_any_line_of_a_commit_costs_no_account(rig: Rig) -> None:
    def fill() -> None:
        for made in KINDS.values():
            rig.give(made())

    fill()
    counting = Raiser(0, MemoryError)
    rig.commit(counting)
    errors = itertools.cycle(ERRORS)
    step = max(1, counting.lines // TRIALS)
    for at in range(1, counting.lines + 1, step):
        fill()
        fault = Raiser(at, next(errors))
        rig.commit(fault)
        fill()
        rig.check(f"commit, line {at}: {fault.raised}")
    assert rig.stored() == rig.sent


def test_an_error_at_any_line_of_closing_costs_no_account(rig: Rig) -> None:
    def fill() -> None:
        for made in KINDS.values():
            rig.give(made())
        rig.commit()

    fill()
    counting = Raiser(0, MemoryError)
    rig.close(counting)
    assert counting.lines > 100
    errors = itertools.cycle(ERRORS)
    step = max(1, counting.lines // TRIALS)
    for at in range(1, counting.lines + 1, step):
        fill()
        fault = Raiser(at, next(errors))
        rig.close(fault)
        where = f"closing, line {at}: {fault.raised}"
        counted, held = rig.counters.snapshot(), rig.buffer.gauges()
        assert held["observations_in_partials"] == 0, where
        assert held["observations_in_outbox"] == counted["observations"], where
        assert held["rows_in_outbox"] == counted["rows_queued"], where
    assert rig.stored() == rig.sent
