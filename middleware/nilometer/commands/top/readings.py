"""Readings of an agent, and the history of one agent's process.

All numbers of an agent are cumulative since its start. A restarted agent counts from zero. Its
history then begins again, with its start as zero. A rate is therefore never negative, and never
mixes two processes.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from nilometer.wire.status import EntityState

MAX_READINGS = 2000
KEPT_SECONDS = 120.0  # shortest history; enough for the longest span and the trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The status of an agent at one time.

    Attributes:
        at: Time half-way between request and response, in monotonic seconds of this process.
        agent: Name of the agent.
        version: Version of its package.
        instance: Identifier of its process; empty for an older agent.
        uptime: Seconds since its start.
        counters: Counters since its start.
        gauges: Gauges as of now.
        workers: Number of connected workers.
        collector: Address of its collector; empty without one.
        collector_state: State of its connection to the collector.
        collector_reason: Reason why the connection is not ready.
        duplicate: Whether another agent has the same name.
        entities: State of each entity, by name.
        begins: Whether this is the computed start of the process, not a response.
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
        """Return whether both are from one process, so that their difference is meaningful."""
        if self.instance != earlier.instance or self.uptime < earlier.uptime:
            return False
        return all(self.counters.get(name, 0) >= old for name, old in earlier.counters.items())

    def start(self) -> "Reading":
        """Return a reading at the start of the process, with all counts zero."""
        return Reading(at=self.at - self.uptime, instance=self.instance, begins=True)


class History:
    """The readings of one agent's process, oldest first. One owner.

    Args:
        kept_seconds: Time for which readings are kept.
    """

    def __init__(self, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept = kept_seconds
        self._readings: deque[Reading] = deque(maxlen=MAX_READINGS)
        self.restarts = 0  # restarts of the agent since this command began

    @property
    def newest(self) -> Reading | None:
        """The newest reading."""
        return self._readings[-1] if self._readings else None

    def add(self, reading: Reading) -> None:
        """Add a reading; a reading of another process restarts the history."""
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
        """Return the newest and the oldest reading within *span* seconds; at least two readings."""
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
        """Return pairs of consecutive responses, oldest first."""
        return pairwise(reading for reading in self._readings if not reading.begins)
