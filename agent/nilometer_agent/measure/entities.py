"""The part of `Status` about each entity: requests, latency, coverage, cost, the newest verdicts.

It is always kept, even if no metrics are exported. It is computed from profiles, so that it costs a few
microseconds for each entity and label set in a commit, and nothing for an observation.
"""

import threading
from collections.abc import Sequence

from nilometer.alert import Evaluation, Verdict
from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.profile.coverage import Counts, added
from nilometer.profile.magnitudes import EMPTY
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.clock import Clock
from nilometer.values.labels import Labels
from nilometer.wire.frames import Cost
from nilometer.wire.services import EntityStatus
from nilometer.wire.status import EntityState, Judged, entity_to_wire
from nilometer_agent.measure.contents import series_of

UNMERGED = 64  # histograms of an entity that are collected before they are merged
MAX_ENTITIES = 1000  # entities in `Status`, which must fit into one message
MAX_JUDGED = 2000  # verdicts that are kept of one entity, as many as series of one metric
WORST = 8  # worst verdicts of one entity in `Status`
COST_SECONDS = 60.0  # time without a reported cost after which a worker counts as ended or idle
JUDGED_SECONDS = 900.0  # time without a new window after which a verdict is not reported
JUDGED_WINDOWS = 3  # or for this many windows, if that is longer


class Entities:
    """The state of all entities of one agent.

    Only the engine's thread may call `cost`, `committed` and `closed`, which never raise. Any
    thread may call `states`.

    Args:
        window_seconds: Length of a window.
        clock: Monotonic time.
    """

    def __init__(self, window_seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._judged_seconds = max(JUDGED_SECONDS, JUDGED_WINDOWS * window_seconds)
        self._lock = threading.Lock()
        self._entities: dict[str, _Entity] = {}

    def cost(self, entity: str, labels: Labels, worker: bytes, cost: Cost) -> None:
        """Add the cost of observing in a worker since its last report."""
        del labels
        with self._lock:
            held = self._of(entity)
            if held is not None:
                held.spend(worker, cost, self._clock.monotonic())

    def committed(self, decoded: Sequence[SummarySample], made: Sequence[SummarySample]) -> None:
        """Add committed samples: those that the agent decoded, and those that workers made."""
        with self._lock:
            for sample in (*decoded, *made):
                requests = series_of(sample.content).requests
                if requests is None:
                    continue
                held = self._of(sample.entity)
                if held is not None:
                    held.add(requests(sample.content), sample.coverage)

    def closed(self, samples: Sequence[SummarySample], evaluations: Sequence[Evaluation]) -> None:
        """Add the evaluations of a closed window."""
        del samples
        now = self._clock.monotonic()
        with self._lock:
            for evaluation in evaluations:
                held = self._of(evaluation.alerter.entity)
                if held is not None and evaluation.verdict is not Verdict.NOT_JUDGED:
                    held.judge(evaluation, now)

    def states(self) -> list[EntityState]:
        """Return the current state of all entities by name."""
        now = self._clock.monotonic()
        with self._lock:
            return [
                held.state(name, now, self._judged_seconds)
                for name, held in sorted(self._entities.items())
            ]

    def to_wire(self) -> list[EntityStatus]:
        """Return the current state of all entities for `StatusReply`."""
        return [entity_to_wire(state) for state in self.states()]

    def _of(self, entity: str) -> "_Entity | None":
        held = self._entities.get(entity)
        if held is None and len(self._entities) < MAX_ENTITIES:
            held = self._entities[entity] = _Entity()
        return held


class _Entity:
    """State of one entity; the caller holds the lock."""

    __slots__ = (
        "_costs",
        "_coverage",
        "_cpu_seconds",
        "_exceeded",
        "_judged",
        "_latency",
        "_outcomes",
        "_spent_on",
        "_unmerged",
    )

    def __init__(self) -> None:
        self._outcomes: Counts = {}
        self._latency: ExponentialHistogram = EMPTY
        self._unmerged: list[ExponentialHistogram] = []
        self._coverage = Coverage()
        self._cpu_seconds = self._exceeded = 0.0
        self._spent_on = 0
        self._costs: dict[bytes, tuple[float, Cost]] = {}
        self._judged: dict[tuple[str, str, Labels], tuple[float, Judged]] = {}

    def add(self, service: ServiceProfile, coverage: Coverage) -> None:
        self._outcomes = added(self._outcomes, service.outcomes)
        self._coverage = self._coverage.merge(coverage)
        if service.latency.count:
            self._unmerged.append(service.latency)
            if len(self._unmerged) >= UNMERGED:
                self._merge()

    def spend(self, worker: bytes, cost: Cost, now: float) -> None:
        self._cpu_seconds += cost.cpu_seconds
        self._exceeded += cost.exceeded_seconds
        self._spent_on += cost.requests
        self._costs = {key: one for key, one in self._costs.items() if _fresh(one[0], now)}
        self._costs[worker] = (now, cost)

    def judge(self, evaluation: Evaluation, now: float) -> None:
        alerter = evaluation.alerter
        key = (alerter.name, evaluation.summary, evaluation.labels)
        if key not in self._judged and len(self._judged) >= MAX_JUDGED:
            return
        self._judged[key] = (
            now,
            Judged(
                alerter=alerter.name,
                summary=evaluation.summary,
                labels=evaluation.labels,
                measure=alerter.condition.measure,
                value=evaluation.value,
                threshold=alerter.condition.threshold or 0.0,
                breach=evaluation.verdict is Verdict.BREACH,
                distance=alerter.condition.is_distance,
                window_end_ns=evaluation.window.end_ns,
            ),
        )

    def state(self, name: str, now: float, judged_seconds: float) -> EntityState:
        self._merge()
        self._judged = {
            key: one for key, one in self._judged.items() if now - one[0] < judged_seconds
        }
        judged = [one for _, one in self._judged.values()]
        told = [cost for at, cost in self._costs.values() if _fresh(at, now)]
        return EntityState(
            entity=name,
            outcomes=dict(self._outcomes),
            latency=self._latency,
            coverage=self._coverage,
            cpu_seconds=self._cpu_seconds,
            cost_requests=self._spent_on,
            exceeded_seconds=self._exceeded,
            added_p99_seconds=max((cost.p99_seconds for cost in told), default=0.0),
            share=min((cost.share for cost in told), default=0.0),
            judged=len(judged),
            breaches=sum(one.breach for one in judged),
            worst=tuple(sorted(judged, key=lambda one: one.severity, reverse=True)[:WORST]),
        )

    def _merge(self) -> None:
        if self._unmerged:
            unmerged, self._unmerged = self._unmerged, []
            self._latency = ExponentialHistogram.merge_all((self._latency, *unmerged))


def _fresh(at: float, now: float) -> bool:
    return now - at < COST_SECONDS
