"""Receives batches: decodes their observations and adds them to the open profiles."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from nilometer.profile import FeatureSpec, Profile, SummarySample
from nilometer.profile.profiler import load
from nilometer.profile.recorder import RECORDER_BYTES
from nilometer.profiling.admission import Names
from nilometer.profiling.budget import Budget
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.observation import Observation, declared, parts_of
from nilometer.profiling.predictions import Predictions
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import Segments
from nilometer.profiling.stream_facts import StreamFacts
from nilometer.profiling.user_profilers import Runner
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import SCORES_SUFFIX, entity_name
from nilometer.values.errors import NilometerError
from nilometer.values.labels import OVERFLOW, Labels
from nilometer.values.reasons import DropReason
from nilometer.values.request_rules import rules_of
from nilometer.values.templates import names_in
from nilometer.values.window import Window
from nilometer.wire.frames import Batch, Cost
from nilometer_agent.engine.accounts import Taken, seen
from nilometer_agent.engine.accounts import taken as taken_of
from nilometer_agent.engine.divide import Divider
from nilometer_agent.engine.made_elsewhere import samples_made_elsewhere
from nilometer_agent.engine.predictions import LoggedPredictions, TruthBatch
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MAX_PROFILINGS = 2000  # pairs of entity and label set; further ones share the overflow labels
MAX_KEPT_BYTES = 12 << 20  # memory that profilings keep between commits; idle ones are freed first
MAX_OBSERVATIONS = 8192  # observations per batch; nilometer's own workers send at most 256
MAX_WATERMARKS = 10_000  # entities with a watermark

# Errors that parsing the data of another program may raise.
UNREADABLE = (
    *(msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, NilometerError),
)

log = logging.getLogger("nilometer.agent")

Acknowledge = Callable[[int], None]
# Arguments: entity, labels of the server, worker, labels of the observations, observations, and the facts
# that all their streams share.
OnObserved = Callable[[str, Labels, bytes, Labels, Sequence[Observation], StreamFacts], None]
OnCost = Callable[[str, Labels, bytes, Cost], None]


class OverBudget(ValueError):
    """A batch needs too much memory once decoded; a retry would fail as well."""


@dataclass(slots=True, eq=False)
class Share:
    """The part of a batch that belongs to one entity.

    Attributes:
        batch: This part as a batch of its own.
        entity: Validated name of its entity.
        profiling: Profiling that it is added to.
        expected: Number of observations that `profiling` accounts for after this part.
        whole: Whether all of it was added, so that nothing is missing.
    """

    batch: Batch
    entity: str
    profiling: Profiling
    expected: int
    whole: bool = False


@dataclass(slots=True, eq=False)
class Receipt:
    """A batch that is being added to the profiles.

    Attributes:
        batch: The received batch.
        acknowledge: Callback after the commit.
        shares: Parts of the batch by entity; one, unless its entity is a template.
        event_ns: Event time for lost observations, in Unix nanoseconds.
    """

    batch: Batch
    acknowledge: Acknowledge
    shares: Sequence[Share]
    event_ns: int


class Receiver:
    """Owns the open profiles. Only the engine's thread may call it.

    Args:
        settings: Settings of the agent.
        plans: Keeper of the references and alerters.
        clock: Wall clock.
        on_observed: Callback with the predictions of a batch.
        on_cost: Callback with the capture cost of a worker.

    Attributes:
        logged: Records of predictions for the next commit.
        watermarks: Newest event time by entity, in Unix nanoseconds.
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
        user_profilers = load(settings.profilers)
        self._user_profilers = (
            Runner(user_profilers, settings.profiler_seconds) if user_profilers else None
        )
        self._profilings: dict[tuple[str, Labels], Profiling] = {}
        self._budget = Budget(settings.max_working_bytes)
        self.logged = LoggedPredictions(settings, plans, self._budget)
        self._names: dict[str, Names] = {}  # by entity
        self._forgotten_over_limit = 0  # columns over the limit, of forgotten entities
        self._leaving: list[Profile] = []
        self._worker_profiles: dict[Share, list[tuple[WindowKey, SummarySample]]] = {}
        self._predictions: dict[str, Predictions] = {}  # by entity
        self._divider = Divider(MAX_OBSERVATIONS, UNREADABLE)
        # Predictions and connections of the share in work, in the form that `OnServed` takes.
        self._served: list[tuple[Labels, list[Observation], StreamFacts]] = []
        self.watermarks: dict[str, int] = {}

    @property
    def disarmed(self) -> int:
        """Number of the user's profilers that were disabled after a fault."""
        return len(self._user_profilers.disarmed) if self._user_profilers is not None else 0

    @property
    def columns_over_limit(self) -> int:
        """Number of columns that were refused because of a limit."""
        known = sum(names.over_limit for names in self._names.values())
        return self._forgotten_over_limit + known

    @property
    def entities_over_limit(self) -> int:
        """Number of requests that said an entity over the limit of its template."""
        return self._divider.over_limit

    def take_into(self, taken: list[Taken]) -> None:
        """Move all profiles to *taken*; each list moves in one statement, and so atomically."""
        for profiling in self._profilings.values():
            profiling.take_into(self._leaving, self._clock.now_ns())
        while self._leaving:
            made = [taken_of(self._leaving[-1])]
            taken[len(taken) :], _ = made, self._leaving.pop()
        by_window: dict[WindowKey, list[SummarySample]] = {}
        for kept in self._worker_profiles.values():
            for key, sample in kept:
                by_window.setdefault(key, []).append(sample)
        inside = [(key, samples, False) for key, samples in by_window.items()]
        taken[len(taken) :], self._worker_profiles = inside, {}

    def release_taken(self) -> None:
        """Free the memory of the taken profiles, once they are stored."""
        self._budget.clear()
        self._forget_idle()

    @property
    def is_full(self) -> bool:
        """Whether the profiles should be committed now to free memory."""
        return self._budget.is_due

    def see(self, batch: Batch) -> None:
        """Include the entity of *batch* in the plan, unless the requests name the entity."""
        if not names_in(batch.entity):
            self._plans.see(entity_name(batch.entity))

    def receipt(self, batch: Batch, acknowledge: Acknowledge) -> Receipt:
        """Return a receipt for *batch*, with which its observations are accounted for later."""
        parts = self._divider.parts(batch)
        shares = [self._share(part, is_over=is_over) for part, is_over in parts]
        event_ns = batch.dropped_unix_nano or self._clock.now_ns()
        return Receipt(batch, acknowledge, shares, event_ns)

    def _share(self, batch: Batch, *, is_over: bool) -> Share:
        entity = entity_name(batch.entity)
        self._plans.see(entity)
        profiling = self._profiling(entity, OVERFLOW if is_over else Labels.of(batch.labels))
        profiling.included = rules_of(tuple(batch.include))
        profiling.log = self.logged.of(entity)
        self.logged.note_batch(entity, batch.count, in_process=bool(batch.partials))
        profiling.event_times = EventTimes.of(
            batch.event_time_field, batch.event_time_unit, batch.event_time_zone
        )
        expected = profiling.given + sum(batch.dropped.values()) + batch.count
        return Share(batch, entity, profiling, expected)

    def profile(self, receipt: Receipt, *, apart: bool = False) -> None:
        """Add a batch to the open profiles. After any error, call `make_up` to count the rest.

        Args:
            receipt: Receipt of the batch.
            apart: Whether each observation is profiled separately, like a batch of its own.

        Raises:
            UNREADABLE: If the batch cannot be parsed, or the number of its observations differs
                from its count. Nothing is added if it has more.
        """
        unread: Exception | None = None
        for share in receipt.shares:
            try:
                self._profile(share, apart=apart)
            except UNREADABLE as error:
                unread = unread or error
        if unread is not None:
            raise unread

    def _profile(self, share: Share, *, apart: bool) -> None:
        batch, entity, profiling = share.batch, share.entity, share.profiling
        if batch.cost is not None:
            self._on_cost(entity, profiling.labels, batch.worker, batch.cost)
        if batch.dropped:
            profiling.book_drops(batch.dropped, batch.dropped_unix_nano)
        held = declared(batch.observations)
        if held > MAX_OBSERVATIONS:
            raise OverBudget(f"more than {MAX_OBSERVATIONS} observations in one batch")
        if batch.partials:
            samples = self._samples_of_worker(entity, batch.partials)
            held += seen(sample for _, sample in samples)
            _check_count(held, batch.count)
            self._worker_profiles[share] = samples
        else:
            _check_count(held, batch.count)
        if batch.observations:
            self._observe(share, apart=apart)
        if held < batch.count:
            raise ValueError(f"a batch of {batch.count} observations holds {held} of them")
        if isinstance(batch, TruthBatch):
            self.logged.add_ground_truth(entity, batch.ground_truth)
        share.whole = True

    def _observe(self, share: Share, *, apart: bool) -> None:
        profiling, packed = share.profiling, share.batch.observations
        self._served.clear()
        try:
            (_observe_apart if apart else Profiling.observe_packed)(profiling, packed)
        finally:
            for labels, rows, facts in self._served:
                worker = share.batch.worker
                self._on_observed(share.entity, profiling.labels, worker, labels, rows, facts)
            self._served.clear()
        if profiling.latest_ns:
            self._watermark(share.entity, profiling.latest_ns)

    def _serve(self, labels: Labels, rows: Sequence[Observation], facts: StreamFacts) -> None:
        """Keep predictions until the share is complete, grouped by place and stream facts."""
        last = self._served[-1] if self._served else None
        if last is not None and last[0] is labels and last[2] is facts:
            last[1].extend(rows)
        else:
            self._served.append((labels, [*rows], facts))

    def make_up(self, receipt: Receipt, reason: DropReason) -> None:
        """Count the missing observations of a batch as lost. It may be called again.

        The number of missing observations is their total minus the sum over all open profiles of
        the entity.
        """
        for share in receipt.shares:
            if share.whole:
                continue
            elsewhere = seen(sample for _, sample in self._worker_profiles.get(share, ()))
            share.profiling.make_up(share.expected - elsewhere, reason, receipt.event_ns)

    def _samples_of_worker(
        self, entity: str, partials: Sequence[bytes]
    ) -> list[tuple[WindowKey, SummarySample]]:
        """Return the profiles that a worker made, with the windows they belong to."""
        self._budget.held += RECORDER_BYTES * len(partials) + sum(map(len, partials))
        found = []
        for sample in samples_made_elsewhere(entity, partials):
            start = sample.window.start_ns
            window = Window.containing(start, self._window_ns)
            found.append((WindowKey(entity, sample.labels, window), sample))
            self._watermark(entity, start)
        return found

    def _profiling(self, entity: str, labels: Labels) -> Profiling:
        if (entity, labels) not in self._profilings and len(self._profilings) >= MAX_PROFILINGS:
            labels = OVERFLOW
        profiling = self._profilings.pop((entity, labels), None)
        if profiling is not None:
            self._profilings[(entity, labels)] = profiling  # most recently used last
        else:
            profiling = self._profilings[(entity, labels)] = Profiling(
                entity,
                labels,
                self._window_ns,
                spec_of=lambda summary: self._spec(entity, summary),
                segments=self._segments,
                max_label_sets=self._settings.max_label_sets,
                sample=self._settings.sample,
                user_profilers=self._user_profilers,
                reductions=self._settings.reductions,
                names=self._names_of(entity),
                predictions=self._predictions.setdefault(entity, Predictions()),
                budget=self._budget,
                on_served=self._serve,
            )
        return profiling

    def _names_of(self, entity: str) -> Names:
        names = self._names.get(entity)
        if names is None:
            names = self._names[entity] = Names(
                lambda: self._plans.active.declared(entity), self._settings.admit_after
            )
            for output in self._settings.scores:
                names.reserve(f"{output}{SCORES_SUFFIX}")
        return names

    def _forget_idle(self) -> None:
        """Forget the least recently used entities and label sets."""
        room = MAX_KEPT_BYTES
        kept: dict[str, Names] = {}
        for place, profiling in reversed(list(self._profilings.items())):
            entity, _ = place
            names = self._names[entity]
            room -= profiling.kept_bytes
            if entity not in kept:
                room -= names.kept_bytes
            if room >= 0 or profiling.holds:
                kept[entity] = names
            else:
                del self._profilings[place]
        forgotten = self._names.keys() - kept.keys()
        self._forgotten_over_limit += sum(self._names[entity].over_limit for entity in forgotten)
        self._names = kept
        self._predictions = {entity: self._predictions[entity] for entity in kept}

    def _spec(self, entity: str, summary: str) -> FeatureSpec:
        spec = self._plans.active.spec(entity, summary, self._settings.readable_categories)
        thresholds = self._settings.scores.get(summary)
        if thresholds is not None and thresholds != spec.score:
            spec = dataclasses.replace(spec, score=tuple(sorted(set(thresholds))))
        return spec

    def _watermark(self, entity: str, event_ns: int) -> None:
        known = self.watermarks.pop(entity, 0)
        if len(self.watermarks) >= MAX_WATERMARKS:  # wall time then closes its windows
            del self.watermarks[next(iter(self.watermarks))]
        self.watermarks[entity] = max(known, event_ns)


def _check_count(held: int, count: int) -> None:
    """Refuse a batch of *count* observations that holds more of them.

    The sender counts only *count* observations, so any further ones would break the totals.

    Raises:
        ValueError: If it holds more.
    """
    if held > count:
        raise ValueError(f"a batch of {count} observations holds {held}")


def _observe_apart(profiling: Profiling, packed: bytes) -> int:
    """Profile each observation of a batch separately; return the number of observations.

    Raises:
        UNREADABLE: If an observation cannot be parsed; the others are profiled first.
    """
    unread: Exception | None = None
    parts = parts_of(packed)
    for part in parts:
        try:
            profiling.observe_packed(part)
        except UNREADABLE as error:
            unread = error
        profiling.settle()
    if unread is not None:
        raise unread
    return len(parts)
