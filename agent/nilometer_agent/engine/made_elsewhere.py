"""Checks the profiles that were made elsewhere: in workers, batch jobs and other programs."""

import dataclasses
from collections.abc import Sequence

from nilometer.kinds import may_hold
from nilometer.profile import Coverage, SummarySample
from nilometer.values.entity import SCHEMA, SERVICE
from nilometer.values.reasons import LostCellReason
from nilometer.wire.frames import MAX_COUNT, MAX_TIME_NS
from nilometer.wire.samples import sample_from_bytes
from nilometer_agent.engine.accounts import empty_service, seen
from nilometer_agent.outbox.rows import WindowKey


def samples_made_elsewhere(entity: str, partials: Sequence[bytes]) -> list[SummarySample]:
    """Return the samples in the partial profiles of one batch.

    Samples whose name does not allow their kind of content are left out. Their cells count as lost.

    Raises:
        ValueError: If a sample cannot be read, belongs to another entity, or contradicts the
            accounts of the agent.
    """
    samples = [sample_from_bytes(partial) for partial in partials]
    for sample in samples:
        _check(entity, sample)
    if seen(samples) > MAX_COUNT:
        raise ValueError(f"partial profiles of over {MAX_COUNT} observations")
    kept = [sample for sample in samples if may_hold(sample.summary, sample.content.kind)]
    if len(kept) == len(samples):
        return samples
    left_out = [one for one in samples if not may_hold(one.summary, one.content.kind)]
    return kept + [_loss_of(sample) for sample in left_out]


def _check(entity: str, sample: SummarySample) -> None:
    if sample.entity != entity:
        raise ValueError(f"partial profile of entity {sample.entity!r} in a batch of {entity!r}")
    if not 0 <= sample.window.start_ns <= MAX_TIME_NS:
        raise ValueError(f"partial profile with a window at {sample.window.start_ns} ns")
    if sample.summary == SCHEMA:
        raise ValueError(f"partial profile of {SCHEMA!r}, which only the agent makes")
    if sample.summary == SERVICE and not may_hold(SERVICE, sample.content.kind):
        raise ValueError(f"partial profile of {SERVICE!r} with content {sample.content.kind!r}")


def _loss_of(sample: SummarySample) -> SummarySample:
    """Return a sample of `service` that counts the cells of *sample* as lost."""
    key = WindowKey(sample.entity, sample.labels, sample.window)
    cells = sample.content.cells
    lost_cells = {LostCellReason.OTHER_KIND.value: cells} if cells else {}
    return dataclasses.replace(empty_service(key), coverage=Coverage(lost_cells=lost_cells))
