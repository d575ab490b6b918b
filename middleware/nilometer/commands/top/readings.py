"""What agents told, and the history of one agent's process.

Everything an agent tells is cumulative since its start. An agent that was started again counts from
zero: its history begins anew, with its own start as the zero, so that no rate is ever negative and
none mixes two processes.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from nilometer.wire.status import EntityState

MAX_READINGS = 2000
KEPT_SECONDS = 120.0  # of readings, at least: the longest span and the trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an agent told at one moment.

    Attributes:
        at: Monotonic seconds of ours, half-way between question and answer.
        agent: Its name.
        version: Of its package.
        instance: Of its process; empty for agents that do not tell.
        uptime: Seconds since its start.
        counters: Monotonic since its start.
        gauges: As of now.
        workers: Connected.
        collector: Address; empty when it has none.
        collector_state: How the agent stands with it.
        collector_reason: Why it is not ready.
        duplicate: Whether another agent has its name.
        entities: By name.
        begins: Whether this is the start of the process, which nobody read.
    """

    at: float
    agent: str = ""
    version: str = ""
    instance: bytes = b""
    uptime: float = 0.0
    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, int] = field(default_factory=dict)
    workers: int = 0
    collector: str = ""
    collector_state: str = ""
    collector_reason: str = ""
    duplicate: bool = False
    entities: Mapping[str, EntityState] = field(default_factory=dict)
    begins: bool = False

    def follows(self, earlier: "Reading") -> bool:
        """Whether both are of one process, so that their difference means something."""
        if self.instance != earlier.instance or self.uptime < earlier.uptime:
            return False
        return all(self.counters.get(name, 0) >= old for name, old in earlier.counters.items())

    def start(self) -> "Reading":
        """The moment when the process began to count."""
        return Reading(at=self.at - self.uptime, instance=self.instance, begins=True)


class History:
    """The readings of one agent's process, oldest first. One owner.

    Args:
        kept_seconds: How long readings are kept.
    """

    def __init__(self, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept = kept_seconds
        self._readings: deque[Reading] = deque(maxlen=MAX_READINGS)
        self.restarts = 0  # seen from here

    @property
    def newest(self) -> Reading | None:
        """The last reading."""
        return self._readings[-1] if self._readings else None

    def add(self, reading: Reading) -> None:
        """One more; of another process, and it is the first."""
        newest = self.newest
        if newest is not None and not reading.follows(newest):
            self._readings.clear()
            self.restarts += 1
        if not self._readings and reading.uptime <= self._kept:
            self._readings.append(reading.start())
        self._readings.append(reading)
        while len(self._readings) > 2 and self._readings[1].at < reading.at - self._kept:
            self._readings.popleft()

    def over(self, span: float) -> tuple[Reading, Reading] | None:
        """The newest reading and the oldest within *span* seconds before it; else the one before."""
        newest = self.newest
        first = None
        for reading in self._readings:
            if reading is not newest and (first is None or first.at < self._since(span)):
                first = reading
        if newest is None or first is None or newest.at <= first.at:
            return None
        return first, newest

    def _since(self, span: float) -> float:
        return self._readings[-1].at - span

    def steps(self) -> Iterable[tuple[Reading, Reading]]:
        """Neighbours that were read, oldest first."""
        return pairwise(reading for reading in self._readings if not reading.begins)
