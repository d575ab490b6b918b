"""Fakes, clocks and streams for the tests of nilometer and of its users."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from nilometer.alert.conditions import CONDITIONS
from nilometer.compare import COMPARATORS
from nilometer.handoff.pack import batch_of
from nilometer.kinds import CONTENT_KINDS, Kinds, register
from nilometer.profile import CONTENTS
from nilometer.profiling.observation import Observation, unpack
from nilometer.values.clock import NANOSECONDS
from nilometer.values.reasons import DropReason
from nilometer.wire.contents.registered import CODECS
from nilometer.wire.frames import Cost

T = TypeVar("T")


@contextmanager
def registered(kinds: Kinds) -> Iterator[None]:
    """Register *kinds* for the duration of the block.

    Raises:
        ConfigError: If a name is not allowed, or is already registered.
    """
    registries: tuple[dict[str, Any], ...] = (
        CONTENTS,
        CODECS,
        CONTENT_KINDS,
        CONDITIONS,
        COMPARATORS,
    )
    before = [dict(registry) for registry in registries]
    try:
        register(kinds)
        yield
    finally:
        for registry, held in zip(registries, before, strict=True):
            registry.clear()
            registry.update(held)


@dataclasses.dataclass(slots=True)
class SteppedClock:
    """A clock that only moves when `step` is called.

    Attributes:
        wall_ns: Wall time, in Unix nanoseconds.
        seconds: Monotonic time, in seconds.
    """

    wall_ns: int = 1_700_000_000 * NANOSECONDS
    seconds: float = 0.0

    def now_ns(self) -> int:
        """Wall time."""
        return self.wall_ns

    def monotonic(self) -> float:
        """Monotonic time."""
        return self.seconds

    def step(self, seconds: float) -> None:
        """Move both times forward by *seconds*."""
        self.seconds += seconds
        self.wall_ns += int(seconds * NANOSECONDS)


@dataclasses.dataclass(slots=True)
class MemoryOutlet:
    """An outlet that keeps the batches it gets, for tests of capture without an agent."""

    captured: list[Observation] = dataclasses.field(default_factory=list)
    dropped: Counter[DropReason] = dataclasses.field(default_factory=Counter)
    room: bool = True
    cost: Cost = dataclasses.field(default_factory=Cost)
    trouble: str = ""

    def send_batch(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Keep *batch*."""
        self.captured.extend(unpack(batch_of(batch)))
        self.dropped.update(dropped)

    def has_room(self) -> bool:
        """Return the value that the test has set."""
        return self.room

    def report_cost(self, cost: Cost) -> None:
        """Keep *cost*."""
        self.cost.add(cost)

    def poll(self) -> None:
        """Do nothing, because there is no connection."""

    def finish(self, deadline: float) -> int:
        """Return 0, because nothing is left to send."""
        del deadline
        return 0


def eventually(condition: Callable[[], T], timeout: float = 60.0, poll: float = 0.01) -> T:
    """Return the first true value of *condition*, which is polled for at most *timeout* seconds.

    Raises:
        AssertionError: If the condition does not become true.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"condition stayed false for {timeout:g} s; last: {value!r}")
        time.sleep(poll)
    return value


def amounts(count: int, seed: int = 0) -> list[float]:
    """Return lognormal amounts, distributed like payments."""
    return [float(value) for value in np.random.default_rng(seed).lognormal(3.0, 1.0, count)]
