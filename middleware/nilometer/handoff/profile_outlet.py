"""Profiles observations in the server process and sends only profiles to the agent.

Request and response bodies never leave the process. The thread works in short slices, and releases
the interpreter between them. Holding the interpreter for a whole batch would double the server's
p99 latency. A slice consists of steps. A step decodes some observations, profiles a column, or
encodes a sample.

If no agent is reachable, the newest samples stay in memory; see `profiles`.
"""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from nilometer.handoff.link import AgentLink
from nilometer.handoff.linked import LinkedOutlet
from nilometer.handoff.pack import batch_of, with_spoilt
from nilometer.handoff.settings import CaptureSettings
from nilometer.profile import Coverage, FeatureSpec, Profile, ServiceProfile, SummarySample
from nilometer.profile.profiler import load
from nilometer.profiling.admission import Names
from nilometer.profiling.budget import Budget
from nilometer.profiling.division import Division
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import Segments
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import SERVICE
from nilometer.values.labels import OVERFLOW, Labels
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import DropReason, LostCellReason
from nilometer.values.request_rules import RequestRules
from nilometer.values.templates import names_in
from nilometer.wire.frames import MAX_FRAME_BYTES, Batch
from nilometer.wire.samples import sample_to_bytes_in_steps

SLICE_SECONDS = 0.00015  # time after which the thread releases the interpreter at the next step
PAUSE_SECONDS = 0.0005  # long enough for the event loop to run
OBSERVED_AT_ONCE = 64  # observations per decoding step, which takes about one slice
MAX_WAITING = 2048  # most waiting observations; profiling a column of all is one step
MAX_WAITING_BYTES = 1 << 20  # most bytes of waiting observations
DELTA_SECONDS = 1.0  # time between two sends of deltas
MAX_BATCH_BYTES = 128 << 10  # size of a batch of samples; a single sample may be larger
WINDOW_NS = 60 * 1_000_000_000  # length of a window; windows of the agent are multiples of it
MAX_PARTIAL_BYTES = MAX_FRAME_BYTES - 1024  # the remaining bytes are for other fields of a frame
MAX_SAMPLES_IN_MEMORY = 4_000
MAX_HELD_BYTES = 12 << 20  # memory for decoded, unsent data; half of it triggers a send

_memories: dict[str, deque[SummarySample]] = {}


def profiles(entity: str) -> list[SummarySample]:
    """Return the samples kept in the memory of this process because no agent was reachable."""
    return list(_memories.get(entity, ()))


class ProfileOutlet(LinkedOutlet):
    """An outlet that profiles observations in this process, in short slices of time."""

    def __init__(self, settings: CaptureSettings, link: AgentLink) -> None:
        super().__init__(link)
        self._settings = settings
        user_profilers = load(settings.profilers)
        self._user_profilers = Runner(user_profilers) if user_profilers else None
        self._redaction = settings.redaction()
        self._declared = frozenset(settings.features)
        self._budget = Budget(MAX_HELD_BYTES)
        is_template = bool(names_in(settings.entity))
        self._division = Division(settings.entity) if is_template else None
        self._profilings: dict[tuple[str, Labels], Profiling] = {}
        self._fallback = settings.entity if self._division is None else self._division.fallback
        self._next_delta = time.monotonic() + DELTA_SECONDS
        self._observations = 0
        self._waiting_bytes = 0
        self._slice_ends = 0.0
        self._log = LimitedLog()

    def send_batch(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Profile *batch*, releasing the interpreter after each slice."""
        self._slice_ends = time.perf_counter() + SLICE_SECONDS
        kept = batch if self._redaction is None else self._redaction.redacted_all(batch)
        self._in_slices(self._observing(kept))
        lost = with_spoilt(dropped, len(batch) - len(kept))
        if lost:
            self._profiling(self._fallback).book_drops(lost, time.time_ns())

    def poll(self) -> None:
        """Send the deltas if they are due, and keep the link open."""
        if time.monotonic() >= self._next_delta:
            self._next_delta = time.monotonic() + DELTA_SECONDS
            self._in_slices(self._sending_deltas())
        if self._link.can_reach_agent:
            self._link.poll()

    def finish(self, deadline: float) -> int:
        """Send the last deltas and wait for their acknowledgement."""
        self._in_slices(self._sending_deltas())
        if not self._link.can_reach_agent:
            return self._observations  # without an agent, their profiles are lost
        return self._link.finish(deadline)

    def _in_slices(self, steps: Iterable[None]) -> None:
        """Run *steps*, releasing the interpreter after each slice."""
        for _ in steps:
            if time.perf_counter() >= self._slice_ends:
                time.sleep(PAUSE_SECONDS)
                self._slice_ends = time.perf_counter() + SLICE_SECONDS

    def _observing(self, packed: Sequence[bytes]) -> Iterator[None]:
        for start in range(0, len(packed), OBSERVED_AT_ONCE):
            chunk = packed[start : start + OBSERVED_AT_ONCE]
            some = batch_of(chunk)
            yield
            self._observations += len(chunk)
            if self._division is None:
                yield from self._profiling(self._fallback).observe_packed_in_steps(some)
            else:
                yield from self._observing_divided(self._division, some)
            yield
            if self._budget.is_due:
                yield from self._sending_deltas()
                continue
            self._waiting_bytes += len(some)
            waiting = sum(profiling.waiting for profiling in self._profilings.values())
            if waiting >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
                yield from self._settling()

    def _observing_divided(self, division: Division, packed: bytes) -> Iterator[None]:
        for part in (yield from division.divided(packed)):
            labels = OVERFLOW if part.is_over else None
            yield from self._profiling(part.entity, labels).observe_packed_in_steps(part.packed)

    def _profiling(self, entity: str, labels: Labels | None = None) -> Profiling:
        """Return the profiling of *entity*; *labels* None means the labels of the settings."""
        settings = self._settings
        key = entity, Labels.of(settings.labels) if labels is None else labels
        profiling = self._profilings.get(key)
        if profiling is None:
            profiling = self._profilings[key] = Profiling(
                *key,
                WINDOW_NS,
                spec_of=self._spec_of,
                event_times=EventTimes.of(
                    settings.event_time_field, settings.event_time_unit, settings.event_time_zone
                ),
                segments=Segments.of(settings.segments),
                user_profilers=self._user_profilers,
                max_waiting=sys.maxsize,  # the outlet itself decides when to profile
                names=Names(lambda: self._declared, settings.admit_after),
                budget=self._budget,
            )
            profiling.included = RequestRules.of(settings.include)
        return profiling

    def _settling(self) -> Iterator[None]:
        self._waiting_bytes = 0
        for profiling in list(self._profilings.values()):
            yield from profiling.settle_in_steps()

    def _sending_deltas(self) -> Iterator[None]:
        """Send the deltas since the last call to the agent; without one, keep them in memory."""
        yield from self._settling()
        taken = [profile for one in self._profilings.values() for profile in one.take()]
        for profile in taken:
            if self._link.can_reach_agent:
                yield from self._sending(profile)
                continue
            memory = _memories.setdefault(profile.entity, deque(maxlen=MAX_SAMPLES_IN_MEMORY))
            for sample in profile.samples_in_steps():
                if sample is not None:
                    memory.append(sample)
                yield

    def _sending(self, profile: Profile) -> Iterator[None]:
        partials: list[bytes] = []
        size = seen = lost = 0
        for sample in profile.samples_in_steps():
            yield
            if sample is None:
                continue
            partial = yield from sample_to_bytes_in_steps(sample)
            if len(partial) > MAX_PARTIAL_BYTES:
                self._log.warning(
                    f"profile of {sample.summary} dropped: its {len(partial)} bytes exceed the "
                    f"limit of {MAX_PARTIAL_BYTES}: exclude the feature"
                )
                partial = yield from sample_to_bytes_in_steps(_loss_of(sample))
            if size + len(partial) > MAX_BATCH_BYTES and partials:
                self._send(profile.entity, partials, seen, lost)
                partials, size, seen, lost = [], 0, 0, 0
            partials.append(partial)
            size += len(partial)
            if sample.summary == SERVICE:
                seen += sample.coverage.seen
                lost += sum(sample.coverage.dropped.values())
            yield
        if partials:
            self._send(profile.entity, partials, seen, lost)

    def _send(self, entity: str, partials: list[bytes], seen: int, lost: int) -> None:
        """Send a batch for *seen* observations, *lost* of which were dropped before profiling."""
        self._observations = 0
        batch = Batch(entity=entity, partials=partials, count=seen)
        self._link.send(batch, seen - lost)

    def _spec_of(self, summary: str) -> FeatureSpec:
        patterns = self._settings.readable_categories
        readable = any(fnmatchcase(summary, pattern) for pattern in patterns)
        return FeatureSpec(readable=readable, key=self._settings.names_key.encode())


def _loss_of(sample: SummarySample) -> SummarySample:
    """Return a sample of `service` that counts the cells of *sample* as lost."""
    lost_cells = {LostCellReason.TOO_LARGE.value: sample.content.cells}
    return replace(
        sample,
        summary=SERVICE,
        coverage=Coverage(lost_cells=lost_cells),
        content=ServiceProfile(),
    )
