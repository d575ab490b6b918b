"""What an agent does with its outbox, in a child of the zygote or under strace.

It imports little, because under strace each run is an interpreter of its own.
"""

import json
import logging
import os
import random
import resource
import signal
from pathlib import Path

from faults import oracle
from faults.zygote import shim

from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, NewRow, WindowKey

MOST_RETURNS = 1000  # attempts to go back to a disk that is refused from outside


def outbox(
    directory: str,
    acknowledged: str,
    *,
    seed: int,
    rounds: int,
    record: str = "",
    refuse: tuple[int, int, int, int, int] | None = None,
    refused_outside: bool = False,
    limit_bytes: int = 0,
    ship_ratio: float = 0.5,
    drain: bool = False,
) -> None:
    """Work on a buffer as the agent does, and write down what was acknowledged.

    Args:
        directory: Of the buffer.
        acknowledged: File of lines: ``D n``, delta *n* is committed; ``R n``, row *n* is closed;
            ``S n``, the collector has it; ``F n``, it is forgotten.
        seed: Of all choices.
        rounds: How long.
        record: Where the shim writes down all system calls.
        refuse: What the shim refuses: kind, first call, number of calls, every which, errno.
        refused_outside: Whether somebody else refuses calls, and stops after some.
        limit_bytes: Of every file.
        ship_ratio: How often rows are shipped.
        drain: Whether everything is shipped at the end.
    """
    logging.disable(logging.CRITICAL)
    if record:
        shim().shim_record(record.encode())
    if record or refuse:
        shim().shim_watch(directory.encode())
    if limit_bytes:
        _limit_files(limit_bytes)
    lines = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    clock, counters = SteppedClock(), Counters()
    one = Buffer(Path(directory) / "agent.db", clock, counters, max_bytes=4 << 20)
    if refuse is not None:
        shim().shim_refuse(*refuse)
    work = _Work(one, lines, random.Random(seed), recorded=bool(record))
    for step in range(rounds):
        work.commit(step)
        if work.draw.random() < 0.7:
            work.close_all()
        if work.draw.random() < ship_ratio:
            work.ship()
        clock.step(1.0)
    if refuse is not None or refused_outside:
        _return_to_disk(one, clock, outside=refused_outside)
    if drain:
        _drain(one, work, clock)
    Path(acknowledged + ".counts").write_text(json.dumps({**counters.snapshot(), **one.gauges()}))
    one.close()


def _limit_files(limit_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


def _return_to_disk(buffer: Buffer, clock: SteppedClock, *, outside: bool) -> None:
    if not outside:
        shim().shim_refuse(0, 0, 0, 1, 0)
    for _ in range(MOST_RETURNS if outside else 1):
        clock.step(10.0)
        buffer.maintain()
        if buffer.durable:
            return
    raise AssertionError("the outbox has not returned to disk")


def _drain(buffer: Buffer, work: "_Work", clock: SteppedClock) -> None:
    for _ in range(MOST_RETURNS):
        work.close_all()
        work.ship()
        if not buffer.queued() and not buffer.open_windows():
            return
        clock.step(1.0)
        buffer.maintain()
    raise AssertionError(f"not drained: {buffer.gauges()}")


class _Work:
    """What an agent does with its buffer."""

    def __init__(self, buffer: Buffer, lines: int, draw: random.Random, *, recorded: bool) -> None:
        self.draw = draw
        self._buffer = buffer
        self._lines = lines
        self._note_call = shim().shim_note if recorded else None
        self._number = 0

    def _note(self, kind: str, number: int) -> None:
        os.write(self._lines, f"{kind}{number}\n".encode())
        if self._note_call is not None:
            self._note_call(ord(kind) << 48 | number)

    def commit(self, step: int) -> None:
        key = WindowKey("faults", Labels.of(), Window(step * 60, step * 60 + 60))
        fresh = range(self._number, self._number + self.draw.randrange(1, 6))
        self._number = fresh.stop
        deltas = [Delta(key, oracle.payload(number), 1) for number in fresh]
        self._buffer.commit_deltas(deltas, {b"w" * 16: step + 1})
        for number in fresh:
            self._note("D", number)

    def close_all(self) -> None:
        for key in self._buffer.open_windows():
            generation = self._buffer.generation
            found = list(self._buffer.partials(key))
            contents = [partial.payload for partial in found if partial.payload is not None]
            rows = [NewRow("sample", content, 1) for content in contents]
            closing = Closing(key, [partial.id for partial in found], rows)
            if self._buffer.close_windows([closing], generation):
                self._buffer.settle()
                for row in rows:
                    self._note("R", oracle.number_of(row.payload) or 0)

    def ship(self) -> None:
        rows, _ = self._buffer.oldest(self.draw.randrange(1, 20), 1 << 20)
        numbers = [oracle.number_of(row.payload) or 0 for row in rows]
        for number in numbers:
            self._note("S", number)
        self._buffer.acknowledge(rows, {})
        for number in numbers:
            self._note("F", number)
