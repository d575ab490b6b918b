"""Converts the status of an agent's entities (part of `Status`) to protobuf and back."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from nilometer.profile.coverage import Counts, Coverage
from nilometer.profile.magnitudes import EMPTY, LIMIT
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.labels import Labels
from nilometer.wire.coverage import coverage_from_wire, coverage_to_wire
from nilometer.wire.services import CaptureCost, EntityStatus, Judgement
from nilometer.wire.sketches.exponential import histogram_from_wire, histogram_to_wire

NO_LABELS = Labels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The newest judgement of an alerter on one summary and label set.

    Attributes:
        alerter: Name of the alerter.
        summary: Name of the summary.
        labels: Labels of the summary.
        measure: Name of the comparator or statistic.
        value: Measured value.
        threshold: Limit of the alerter; 0 without a single limit.
        breach: Whether the window is a breach.
        distance: Whether *value* is a distance from a reference, so that larger is worse.
        window_end_ns: End of the window, Unix nanoseconds.
    """

    alerter: str
    summary: str
    labels: Labels = NO_LABELS
    measure: str = ""
    value: float = 0.0
    threshold: float = 0.0
    breach: bool = False
    distance: bool = False
    window_end_ns: int = 0

    @property
    def severity(self) -> tuple[bool, float]:
        """The sort key: breaches first, then the distance divided by the threshold."""
        far = self.value / self.threshold if self.distance and self.threshold > 0 else 0.0
        return self.breach, far


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityState:
    """Counts of one entity since the agent's start, over all label sets and workers.

    Attributes:
        entity: Name of the entity.
        outcomes: Number of requests by `Outcome`.
        latency: Histogram of latencies in seconds, of requests whose time is known.
        coverage: Coverage of the observations.
        cpu_seconds: CPU time that observation has cost the workers.
        cost_requests: Number of requests in the same period.
        exceeded_seconds: Time during which a limit of the overhead budget was exceeded.
        added_p99_seconds: Time that observation currently adds to a request (99th percentile), in
            the slowest worker; 0 if unknown.
        share: Share of the observations whose bodies are currently held, in the worker with the
            smallest share; 0 if unknown.
        judged: Number of judgements of the newest windows, over alerters, summaries and label sets.
        breaches: Number of these judgements that are breaches.
        worst: Most severe of these judgements, by `Judged.severity`.
    """

    entity: str
    outcomes: Counts = field(default_factory=dict)
    latency: ExponentialHistogram = EMPTY
    coverage: Coverage = field(default_factory=Coverage)
    cpu_seconds: float = 0.0
    cost_requests: int = 0
    exceeded_seconds: float = 0.0
    added_p99_seconds: float = 0.0
    share: float = 0.0
    judged: int = 0
    breaches: int = 0
    worst: tuple[Judged, ...] = ()


def entity_to_wire(state: EntityState) -> EntityStatus:
    """Return a state as a message."""
    return EntityStatus(
        entity=state.entity,
        outcomes=state.outcomes,
        latency=histogram_to_wire(state.latency),
        coverage=coverage_to_wire(state.coverage),
        cost=CaptureCost(
            cpu_seconds=state.cpu_seconds,
            requests=state.cost_requests,
            exceeded_seconds=state.exceeded_seconds,
            p99_seconds=state.added_p99_seconds,
            share=state.share,
        ),
        judged=state.judged,
        breaches=state.breaches,
        worst=[_judged_to_wire(one) for one in state.worst],
    )


def entity_from_wire(message: EntityStatus) -> EntityState:
    """Return the state in a message.

    Raises:
        ValueError: If the histogram or the coverage is invalid.
    """
    return EntityState(
        entity=message.entity,
        outcomes=dict(message.outcomes),
        latency=histogram_from_wire(message.latency, LIMIT),
        coverage=coverage_from_wire(message.coverage),
        cpu_seconds=message.cost.cpu_seconds,
        cost_requests=message.cost.requests,
        exceeded_seconds=message.cost.exceeded_seconds,
        added_p99_seconds=message.cost.p99_seconds,
        share=message.cost.share,
        judged=message.judged,
        breaches=message.breaches,
        worst=tuple(_judged_from_wire(one) for one in message.worst),
    )


def entities_from_wire(messages: Iterable[EntityStatus]) -> tuple[EntityState, ...]:
    """Return the states in messages, see `entity_from_wire`."""
    return tuple(entity_from_wire(message) for message in messages)


def _judged_to_wire(judged: Judged) -> Judgement:
    return Judgement(
        alerter=judged.alerter,
        summary=judged.summary,
        labels=judged.labels.as_dict(),
        measure=judged.measure,
        value=judged.value,
        threshold=judged.threshold,
        breach=judged.breach,
        distance=judged.distance,
        window_end_unix_nano=judged.window_end_ns,
    )


def _judged_from_wire(message: Judgement) -> Judged:
    return Judged(
        alerter=message.alerter,
        summary=message.summary,
        labels=Labels.of(dict(message.labels)),
        measure=message.measure,
        value=message.value,
        threshold=message.threshold,
        breach=message.breach,
        distance=message.distance,
        window_end_ns=message.window_end_unix_nano,
    )
