"""The row of an entity, combined from all agents that report it.

A rate is the difference of two readings over a time span. A percentile is computed from the
difference of two histograms, which is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nilometer.commands.top.readings import History, Reading
from nilometer.export.series import Distribution
from nilometer.profile import Coverage
from nilometer.profile.coverage import Counts, added
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.values.reasons import NO_PREDICTIONS, Outcome
from nilometer.wire.status import EntityState, Judged

FAILED = frozenset(outcome.value for outcome in Outcome if outcome.failed)
TREND_STEPS = 40  # values of the longest trend


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """The current state of one entity over all agents. Rates are per second; None is unknown.

    Attributes:
        name: Name of the entity.
        agents: Names of the agents that report it.
        fresh: Whether at least one of these agents answers.
        windowed: Whether the numbers are from the collector's newest window.
        requests: Rate of requests.
        total: Number of requests since the agents started.
        error_ratio: Share of the requests that failed because of the service.
        p50: Median latency, in seconds; *p99* is the 99th percentile.
        coverage: Share of the inference observations that were profiled or intentionally sampled
            out.
        dropped: Rate of lost observations.
        dropped_total: Number of lost observations since the agents started, by reason.
        undecodable: Rate of inference observations without columns.
        undecodable_total: Number of such observations since the agents started, by reason.
        lost_inputs: Number of profiled observations whose requests lack columns, by reason.
        lost_outputs: Number of profiled observations whose responses lack columns, by reason.
        outcomes: Number of requests in the span, by outcome.
        cpu_per_request: CPU time of the server for the observation of one request, in seconds.
        added_p99: Time that observation adds to a request, in seconds.
        share: Share of the observations whose bodies are held, at the agent that holds least.
        judged: Number of judgements in the newest windows.
        breaches: Number of these judgements that are breaches.
        worst: Most severe of these judgements.
        drift: Largest distance from a reference, as a multiple of the threshold; None without one.
        health: Status that the collector reports; empty without a collector.
        open_episodes: Number of open episodes at the collector.
        trend: Rates of requests between readings, the newest last.
    """

    name: str
    agents: tuple[str, ...] = ()
    fresh: bool = True
    windowed: bool = False
    requests: float | None = None
    total: int = 0
    error_ratio: float | None = None
    p50: float | None = None
    p99: float | None = None
    coverage: float | None = None
    dropped: float | None = None
    dropped_total: Counts = field(default_factory=dict)
    undecodable: float | None = None
    undecodable_total: Counts = field(default_factory=dict)
    lost_inputs: Counts = field(default_factory=dict)
    lost_outputs: Counts = field(default_factory=dict)
    outcomes: Counts = field(default_factory=dict)
    cpu_per_request: float | None = None
    added_p99: float | None = None
    share: float | None = None
    judged: int = 0
    breaches: int = 0
    worst: tuple[Judged, ...] = ()
    drift: float | None = None
    health: str = ""
    open_episodes: int = 0
    trend: tuple[float | None, ...] = ()

    @property
    def status(self) -> str:
        """The collector's status if known, else the status of the agents' newest judgements."""
        if self.health:
            return self.health
        if self.breaches:
            return "BREACH"
        return "OK" if self.judged else ""


@dataclass(frozen=True, slots=True)
class Share:
    """The readings of one agent that include an entity.

    Attributes:
        agent: Name of the agent.
        history: Readings of the agent.
        up: Whether the agent answers.
    """

    agent: str
    history: History
    up: bool


def entity_rows(shares: Sequence[Share], span: float) -> list[EntityRow]:
    """Return all entities that any agent has reported, by name."""
    names: dict[str, list[Share]] = {}
    for one in shares:
        if one.history.newest is not None:
            for name in one.history.newest.entities:
                names.setdefault(name, []).append(one)
    return [_entity_row(name, names[name], span) for name in sorted(names)]


def _entity_row(name: str, shares: list[Share], span: float) -> EntityRow:
    states = [one.history.newest.entities[name] for one in shares if one.history.newest]
    worst = sorted(
        (judged for state in states for judged in state.worst),
        key=lambda judged: judged.severity,
        reverse=True,
    )
    distances = [judged.severity[1] for judged in worst if judged.distance]
    coverage = Coverage()
    for state in states:
        coverage = coverage.merge(state.coverage)
    known = [state for state in states if state.cost_requests]
    grown = [
        _Grown.of(name, *both) for one in shares if one.up and (both := one.history.over(span))
    ]
    row = EntityRow(
        name=name,
        agents=tuple(one.agent for one in shares),
        fresh=any(one.up for one in shares),
        total=sum(sum(state.outcomes.values()) for state in states),
        dropped_total=coverage.dropped,
        undecodable_total=coverage.undecodable,
        lost_inputs=coverage.lost_inputs,
        lost_outputs=coverage.lost_outputs,
        added_p99=max((state.added_p99_seconds for state in known), default=None) or None,
        share=min((state.share for state in known), default=None),
        judged=sum(state.judged for state in states),
        breaches=sum(state.breaches for state in states),
        worst=tuple(worst),
        drift=max(distances, default=None),
        trend=_trend(name, shares),
    )
    return _with_rates(row, grown) if grown else row


@dataclass(frozen=True, slots=True)
class _Grown:
    """The increase of an entity's counts at one agent between two readings."""

    seconds: float
    outcomes: Counts
    latency: ExponentialHistogram
    profiled: int
    sampled_out: int
    dropped: int
    undecodable: int
    cpu_seconds: float
    cost_requests: int

    @classmethod
    def of(cls, name: str, then: Reading, now: Reading) -> "_Grown":
        new = now.entities.get(name) or EntityState(entity=name)
        old = then.entities.get(name) or EntityState(entity=name)
        before, after = old.coverage, new.coverage
        latency = new.latency
        if old.latency.count:
            latency = Distribution(new.latency).since(Distribution(old.latency)).histogram
        return cls(
            now.at - then.at,
            {
                outcome: count - old.outcomes.get(outcome, 0)
                for outcome, count in new.outcomes.items()
                if count != old.outcomes.get(outcome, 0)
            },
            latency,
            after.profiled - before.profiled,
            after.sampled_out - before.sampled_out,
            sum(after.dropped.values()) - sum(before.dropped.values()),
            undecodable_predictions(after.undecodable)
            - undecodable_predictions(before.undecodable),
            new.cpu_seconds - old.cpu_seconds,
            new.cost_requests - old.cost_requests,
        )


def undecodable_predictions(undecodable: Counts) -> int:
    """Return the number of predictions without columns, from counts by reason."""
    return sum(count for reason, count in undecodable.items() if reason not in NO_PREDICTIONS)


def _with_rates(row: EntityRow, grown: list[_Grown]) -> EntityRow:
    outcomes: Counts = {}
    for one in grown:
        outcomes = added(outcomes, one.outcomes)
    requests = sum(outcomes.values())
    failed = sum(count for outcome, count in outcomes.items() if outcome in FAILED)
    latency = ExponentialHistogram.merge_all(one.latency for one in grown)
    covered = sum(one.profiled + one.sampled_out for one in grown)
    seen = covered + sum(one.dropped + one.undecodable for one in grown)
    spent_on = sum(one.cost_requests for one in grown)
    cpu = sum(one.cpu_seconds for one in grown)
    return replace(
        row,
        requests=sum(sum(one.outcomes.values()) / one.seconds for one in grown),
        outcomes=outcomes,
        error_ratio=failed / requests if requests else None,
        p50=latency.quantile(0.5),
        p99=latency.quantile(0.99),
        coverage=covered / seen if seen else None,
        dropped=sum(one.dropped / one.seconds for one in grown),
        undecodable=sum(one.undecodable / one.seconds for one in grown),
        cpu_per_request=cpu / spent_on if spent_on else None,
    )


def _trend(name: str, shares: list[Share]) -> tuple[float | None, ...]:
    """Return the sum over the agents that answer, for each step, newest step last."""
    total: list[float] = []
    for one in shares:
        if not one.up:
            continue
        steps = list(one.history.steps())[-TREND_STEPS:]
        for position, (then, now) in enumerate(reversed(steps)):
            old, new = then.entities.get(name), now.entities.get(name)
            grown = sum(new.outcomes.values()) if new else 0
            grown -= sum(old.outcomes.values()) if old else 0
            if position == len(total):
                total.append(0.0)
            total[position] += grown / max(now.at - then.at, 1e-3)
    return tuple(reversed(total))
