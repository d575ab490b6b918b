"""Profiling in the process: no raw byte leaves it; finished deltas go to the agent.

The thread works in slices under 0.3 ms and lets the interpreter go in between: a thread that held
it for whole batches would double the server's p99.

Where no agent can be reached at all, the profiles stay in memory, newest windows first to be
kept: `profiles` shows them.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from nilometer.handoff.budget import Cost
from nilometer.handoff.link import AgentLink
from nilometer.handoff.pack import batch_of, with_spoilt
from nilometer.handoff.redact import Redaction
from nilometer.handoff.settings import CaptureSettings
from nilometer.profile import FeatureSpec, SummarySample
from nilometer.profile.profiler import load
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import Segments
from nilometer.profiling.user_profilers import Runner
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import CaptureBatch

SLICE_SECONDS = 0.0003  # of interpreter time before it is let go
PAUSE_SECONDS = 0.0005  # long enough for the event loop to run
OBSERVED_AT_ONCE = 64  # observations: about as many as fit into a slice
DELTA_SECONDS = 1.0  # how often finished deltas are handed on
WINDOW_NS = 60 * 1_000_000_000  # of the deltas; the agent's own windows are multiples of it
MAX_SAMPLES_IN_MEMORY = 10_000

_memories: dict[str, deque[SummarySample]] = {}


def profiles(entity: str) -> list[SummarySample]:
    """Samples that stayed in this process's memory because no agent could be reached."""
    return list(_memories.get(entity, ()))


def in_slices(steps: Iterable[None]) -> None:
    """Run *steps*, letting the interpreter go after each slice."""
    until = time.perf_counter() + SLICE_SECONDS
    for _ in steps:
        if time.perf_counter() >= until:
            time.sleep(PAUSE_SECONDS)
            until = time.perf_counter() + SLICE_SECONDS


class InsideOutlet:
    """Decodes and profiles captured requests in slices."""

    def __init__(self, settings: CaptureSettings, link: AgentLink) -> None:
        self._settings = settings
        self._link = link
        guests = load(settings.profilers)
        self._redaction = Redaction.of(settings.redact_fields, settings.redact_values)
        self._profiling = Profiling(
            settings.entity,
            Labels.of(settings.labels),
            WINDOW_NS,
            spec_of=self._spec_of,
            event_time_field=settings.event_time_field,
            segments=Segments.of(settings.segments),
            guests=Runner(guests) if guests else None,
        )
        self._next_delta = time.monotonic() + DELTA_SECONDS
        self._observations = 0

    def hand_on(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Profile *batch*, letting the interpreter go after each slice."""
        kept = batch if self._redaction is None else self._redaction.redacted_all(batch)
        in_slices(self._observing(kept))
        self._observations += len(kept)
        lost = with_spoilt(dropped, len(batch) - len(kept))
        if lost:
            self._profiling.book_drops(lost, time.time_ns())

    def has_room(self) -> bool:
        """Whether the link keeps another batch."""
        return self._link.has_room()

    def tell(self, cost: Cost) -> None:
        """Send *cost* with the next batch."""
        self._link.cost.add(cost)

    def cpu_seconds(self) -> float:
        """Of the link's threads."""
        return self._link.cpu_seconds()

    def tend(self) -> None:
        """Hand on finished deltas and keep the link open."""
        if time.monotonic() >= self._next_delta:
            self._next_delta = time.monotonic() + DELTA_SECONDS
            in_slices(self._profiling.settle_in_steps())
            self._hand_on_deltas()
        if self._link.can_reach_agent:
            self._link.tend()

    def finish(self, deadline: float) -> int:
        """Hand on the last deltas and wait for their acknowledgement."""
        self._hand_on_deltas()
        return self._link.finish(deadline) if self._link.can_reach_agent else 0

    def _observing(self, packed: Sequence[bytes]) -> Iterator[None]:
        for start in range(0, len(packed), OBSERVED_AT_ONCE):
            self._profiling.observe_packed(batch_of(packed[start : start + OBSERVED_AT_ONCE]))
            yield

    def _hand_on_deltas(self) -> None:
        observations, self._observations = self._observations, 0
        for profile in self._profiling.take():
            samples = profile.samples()
            if not self._link.can_reach_agent:
                memory = _memories.setdefault(
                    self._settings.entity, deque(maxlen=MAX_SAMPLES_IN_MEMORY)
                )
                memory.extend(samples)
                continue
            partials = [sample_to_wire(sample) for sample in samples]
            batch = CaptureBatch(
                entity=self._settings.entity, partials=partials, count=observations
            )
            self._link.send(batch, observations)
            observations = 0

    def _spec_of(self, summary: str) -> FeatureSpec:
        patterns = self._settings.readable_categories
        readable = any(fnmatchcase(summary, pattern) for pattern in patterns)
        return FeatureSpec(readable=readable, key=self._settings.names_key.encode())
