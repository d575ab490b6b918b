"""Judging closed windows: partial profiles are merged, alerters applied."""

import logging
from dataclasses import dataclass

from nilometer.alert import Evaluation, evaluate
from nilometer.profile import SummarySample
from nilometer.wire.alerts import evaluation_to_bytes
from nilometer.wire.samples import sample_to_bytes, samples_from_bytes
from nilometer_agent.engine.accounts import seen
from nilometer_agent.engine.suppress import coarsened
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, NewRow, WindowKey
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that is merged and judged, and not stored yet."""

    closing: Closing
    samples: list[SummarySample]
    evaluations: list[Evaluation]
    late: bool


class Judge:
    """Merges and judges a window; changes nothing that is stored.

    Args:
        buffer: Holds the partial profiles.
        plans: References and alerters.
        counters: What is counted.
    """

    def __init__(self, buffer: Buffer, plans: PlanKeeper, counters: Counters) -> None:
        self._buffer = buffer
        self._plans = plans
        self._counters = counters

    def judge(self, key: WindowKey) -> Judged | None:
        """Merge a window's partial profiles and apply the alerters; None where there are none."""
        partials, corrupt = self._buffer.partials(key)
        if corrupt:
            self._counters.add(Counter.ROWS_CORRUPT, corrupt)
            log.error("partial profiles are damaged", extra={"rows": corrupt})
        if not partials:
            return None
        plan = self._plans.active
        samples = merged(
            [samples_from_bytes(payload, plan.edges_of(key.entity)) for _, payload in partials],
            key,
        )
        if plan.disclosure.coarsens:  # what was stored before it was asked for, too
            samples = [coarsened(sample, plan) for sample in samples]
        evaluations: list[Evaluation] = []
        late = key.window.end_ns <= self._buffer.closed_until(key.entity, key.labels)
        if not late:
            schema = plan.schema(key.entity)
            changes = schema.sample(samples) if schema is not None else None
            samples += [changes] if changes is not None else []
            evaluations = evaluate_all(plan, samples)
        fewest = plan.disclosure.fewest_of_a_pseudonym
        rows = [
            NewRow("sample", sample_to_bytes(sample.suppressed(fewest)), seen([sample]))
            for sample in samples
        ]
        rows += [NewRow("evaluation", evaluation_to_bytes(one)) for one in evaluations]
        closing = Closing(key, [identity for identity, _ in partials], rows)
        return Judged(closing, samples, evaluations, late)


def merged(parts: list[list[SummarySample]], key: WindowKey) -> list[SummarySample]:
    """One sample a summary of all *parts* of a window."""
    by_summary: dict[str, list[SummarySample]] = {}
    for part in parts:
        for sample in part:
            by_summary.setdefault(sample.summary, []).append(sample)
    return [
        SummarySample.merge_all(samples, key.window, key.labels)
        for _, samples in sorted(by_summary.items())
    ]


def evaluate_all(plan: ActivePlan, samples: list[SummarySample]) -> list[Evaluation]:
    """Every alerter on every sample that it watches; one that fails holds up no window."""
    found = []
    for sample in samples:
        references = plan.references(sample.entity)
        for alerter in plan.alerters(sample.entity, sample.summary):
            try:
                found.append(evaluate(alerter, sample, references))
            except Exception:  # a condition or a comparator may be code of others
                told = {"entity": alerter.entity, "alerter": alerter.name}
                log.exception("an alerter failed: the window is not judged by it", extra=told)
    return found
