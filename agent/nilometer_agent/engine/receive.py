"""Receiving batches: observations are decoded and added to the open profiles."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from nilometer.profile import FeatureSpec, SummarySample
from nilometer.profile.profiler import load
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import Segments
from nilometer.profiling.user_profilers import Runner
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import entity_name
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason
from nilometer.values.window import Window
from nilometer.wire.frames import MAX_COUNT, MAX_TIME_NS, Batch, Cost
from nilometer.wire.samples import sample_from_bytes
from nilometer_agent.engine.accounts import seen
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MAX_PROFILINGS = 2000  # entities x label sets; what comes after goes to the overflow set
OVERFLOW = Labels.of(nilometer_overflow="true")

# What reading another program's bytes may raise.
UNREADABLE = (
    *(msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, NilometerError),
)

# Samples of a window that are not committed yet, and whether they were decoded here.
Taken: TypeAlias = tuple[WindowKey, list[SummarySample], bool]
OnObserved = Callable[[str, Labels, bytes, bytes], None]
OnCost = Callable[[str, Labels, bytes, Cost], None]


class Receiver:
    """Owns the open profiles. Only the engine's thread may call.

    Args:
        settings: What the agent was told.
        plans: References and alerters.
        clock: Wall time.
        on_observed: Called with the packed observations of a batch.
        on_cost: Called with what observing cost a worker.

    Attributes:
        watermarks: Newest event time by entity.
    """

    def __init__(
        self,
        settings: AgentSettings,
        plans: PlanKeeper,
        clock: Clock,
        *,
        on_observed: OnObserved,
        on_cost: OnCost,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._clock = clock
        self._on_observed = on_observed
        self._on_cost = on_cost
        self._window_ns = settings.window_seconds * NANOSECONDS
        self._segments = Segments.of(settings.segments)
        guests = load(settings.profilers)
        self._guests = Runner(guests, settings.profiler_seconds) if guests else None
        self._profilings: dict[tuple[str, Labels], Profiling] = {}
        self._inside: dict[WindowKey, list[SummarySample]] = {}  # profiled in a worker
        self.watermarks: dict[str, int] = {}

    @property
    def disarmed(self) -> int:
        """Profilers of the user that are called no more."""
        return len(self._guests.disarmed) if self._guests is not None else 0

    def take_into(self, taken: list[Taken]) -> None:
        """Move everything that the profiles hold to *taken*."""
        for profiling in self._profilings.values():
            for profile in profiling.take():
                key = WindowKey(profile.entity, profile.labels, profile.window)
                taken.append((key, profile.samples(), True))
        for key, samples in self._inside.items():
            taken.append((key, samples, False))
        self._inside = {}

    def profile(self, batch: Batch) -> None:
        """Add a batch to the open profiles.

        Raises:
            UNREADABLE: If it cannot be read; its observations are booked as lost.
        """
        entity = entity_name(batch.entity)
        self._plans.see(entity)
        profiling = self._profiling(entity, Labels.of(batch.labels), batch.event_time_field)
        if batch.cost is not None:
            self._on_cost(entity, profiling.labels, batch.worker, batch.cost)
        if batch.dropped:
            profiling.book_drops(batch.dropped, batch.dropped_unix_nano)
        try:
            samples = [sample_from_bytes(partial) for partial in batch.partials]
            observed = profiling.observe_packed(batch.observations) if batch.observations else 0
            if seen(samples) > MAX_COUNT or any(
                not 0 <= sample.window.start_ns <= MAX_TIME_NS for sample in samples
            ):
                raise ValueError("partials of more observations, or of a time, that no row holds")
        except UNREADABLE:
            lost = {DropReason.MALFORMED_BATCH.value: batch.count}
            profiling.book_drops(lost, batch.dropped_unix_nano or self._clock.now_ns())
            raise
        for sample in samples:
            start = sample.window.start_ns
            key = WindowKey(entity, sample.labels, Window.containing(start, self._window_ns))
            self._inside.setdefault(key, []).append(sample)
            self._watermark(entity, start)
        if observed:
            self._on_observed(entity, profiling.labels, batch.worker, batch.observations)
            self._watermark(entity, profiling.latest_ns)

    def _profiling(self, entity: str, labels: Labels, event_time_field: str) -> Profiling:
        if (entity, labels) not in self._profilings and len(self._profilings) >= MAX_PROFILINGS:
            labels = OVERFLOW
        profiling = self._profilings.get((entity, labels))
        if profiling is None:
            profiling = self._profilings[(entity, labels)] = Profiling(
                entity,
                labels,
                self._window_ns,
                spec_of=lambda summary: self._spec(entity, summary),
                segments=self._segments,
                max_label_sets=self._settings.max_label_sets,
                sample=self._settings.sample,
                guests=self._guests,
                reductions=self._settings.reductions,
            )
        profiling.event_time_field = event_time_field
        return profiling

    def _spec(self, entity: str, summary: str) -> FeatureSpec:
        spec = self._plans.rules.spec(entity, summary, self._settings.readable_categories)
        thresholds = self._settings.scores.get(summary)
        if thresholds is not None and thresholds != spec.score:
            spec = dataclasses.replace(spec, score=tuple(sorted(set(thresholds))))
        return spec

    def _watermark(self, entity: str, event_ns: int) -> None:
        self.watermarks[entity] = max(self.watermarks.get(entity, 0), event_ns)
