"""Judges closed windows: merges their partial profiles and applies the alerters."""

import logging
from dataclasses import dataclass
from zlib import crc32

from nilometer.alert import Evaluation, evaluate
from nilometer.profile import SummarySample
from nilometer.wire.alerts import evaluation_to_bytes
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.samples import merged_sample_from_bytes, parts_by_summary, sample_to_bytes
from nilometer_agent.engine.accounts import seen
from nilometer_agent.engine.suppress import coarsened
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, NewRow, WindowKey
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper

MERGED_BYTES = 8 << 20  # approximate memory for partial profiles during a merge

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that is merged and judged, but not stored yet."""

    closing: Closing
    samples: list[SummarySample]
    evaluations: list[Evaluation]
    late: bool


class Judge:
    """Merges and judges windows, without changing stored data.

    Args:
        buffer: Outbox with the partial profiles.
        plans: Keeper of the references and alerters.
        counters: Telemetry counters of the agent.
    """

    def __init__(self, buffer: Buffer, plans: PlanKeeper, counters: Counters) -> None:
        self._buffer = buffer
        self._plans = plans
        self._counters = counters

    def judge(self, key: WindowKey) -> Judged | None:
        """Merge the partial profiles of a window and apply the alerters; None without profiles."""
        plan = self._plans.active
        merged = self._merged(key, plan.edges_of(key.entity))
        if merged is None:
            return None
        samples, ids = merged
        if plan.disclosure.coarsens:  # profiles may be older than the setting
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
        return Judged(Closing(key, ids, rows), samples, evaluations, late)

    def _merged(
        self, key: WindowKey, edges: EdgesOf
    ) -> tuple[list[SummarySample], list[int]] | None:
        """Return one merged sample per summary of a window, and the ids of its partial profiles.

        Large windows are merged a few summaries at a time, and the partial profiles are read
        again for each pass. This limits the memory to about `MERGED_BYTES`.
        """
        shares = self._buffer.partial_bytes(key) // MERGED_BYTES + 1
        samples: list[SummarySample] = []
        ids: list[int] = []
        for share in range(shares):
            ids, corrupt = [], 0
            by_summary: dict[str, list[bytes]] = {}
            for identity, payload in self._buffer.partials(key):
                if payload is None:
                    corrupt += 1
                    continue
                ids.append(identity)
                for summary, sample in parts_by_summary(payload):
                    if shares == 1 or crc32(summary.encode()) % shares == share:
                        by_summary.setdefault(summary, []).append(sample)
            if corrupt and share == 0:
                self._counters.add(Counter.ROWS_CORRUPT, corrupt)
                log.error(
                    "damaged partial profiles skipped, their observations are lost: check the disk",
                    extra={"rows": corrupt},
                )
            samples += [
                merged_sample_from_bytes(parts, key.window, key.labels, edges)
                for parts in by_summary.values()
            ]
        return (sorted(samples, key=lambda sample: sample.summary), ids) if ids else None


def evaluate_all(plan: ActivePlan, samples: list[SummarySample]) -> list[Evaluation]:
    """Apply every alerter to the samples it watches; a failing alerter does not stop the window."""
    found = []
    for sample in samples:
        references = plan.references(sample.entity)
        for alerter in plan.alerters(sample.entity, sample.summary):
            try:
                found.append(evaluate(alerter, sample, references))
            except Exception:  # conditions and comparators may be the user's code
                told = {"entity": alerter.entity, "alerter": alerter.name}
                log.exception(
                    "an alerter failed and did not judge a window: correct it or its code",
                    extra=told,
                )
    return found
