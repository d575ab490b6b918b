"""Fakes, clocks and streams for tests: ours and users'."""

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
    """Know *kinds* inside of the block only.

    Raises:
        ConfigError: If a name is not allowed, or is registered already.
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
    """A clock that stands until it is stepped.

    Attributes:
        wall_ns: Unix nanoseconds.
        seconds: Monotonic seconds.
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
        """Let *seconds* pass on both."""
        self.seconds += seconds
        self.wall_ns += int(seconds * NANOSECONDS)


@dataclasses.dataclass(slots=True)
class MemoryOutlet:
    """An outlet that keeps what it is handed, for tests of capture without an agent."""

    captured: list[Observation] = dataclasses.field(default_factory=list)
    dropped: Counter[DropReason] = dataclasses.field(default_factory=Counter)
    room: bool = True
    cost: Cost = dataclasses.field(default_factory=Cost)
    trouble: str = ""

    def hand_on(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Keep *batch*."""
        self.captured.extend(unpack(batch_of(batch)))
        self.dropped.update(dropped)

    def has_room(self) -> bool:
        """As set."""
        return self.room

    def tell(self, cost: Cost) -> None:
        """Keep *cost*."""
        self.cost.add(cost)

    def tend(self) -> None:
        """Nothing is due."""

    def finish(self, deadline: float) -> int:
        """Nothing is left."""
        del deadline
        return 0


def eventually(condition: Callable[[], T], timeout: float = 10.0, poll: float = 0.01) -> T:
    """The first true value of *condition*; polls until *timeout* seconds.

    Raises:
        AssertionError: If it never was.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never true within {timeout:g} s; last: {value!r}")
        time.sleep(poll)
    return value


def amounts(count: int, seed: int = 0) -> list[float]:
    """A stream of lognormal amounts, the shape of payments."""
    return [float(value) for value in np.random.default_rng(seed).lognormal(3.0, 1.0, count)]
