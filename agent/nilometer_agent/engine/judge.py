"""Judges closed windows: merges their partial profiles and applies the alerters.

An error in one summary or one alerter affects only that one, and is counted. This code calls
extensions and reads data of other programs, so errors are expected.
"""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from nilometer.alert import Evaluation, evaluate
from nilometer.profile import Coverage, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.reasons import DropReason, LostCellReason
from nilometer.wire.alerts import evaluation_to_bytes
from nilometer.wire.samples import sample_to_bytes
from nilometer_agent.engine.accounts import empty_service, lost, seen
from nilometer_agent.engine.merge import MergedWindow, ReadPartials, merged_window
from nilometer_agent.engine.suppress import coarsened
from nilometer_agent.outbox.rows import Closing, NewRow, WindowKey
from nilometer_agent.uplink.plan import ActivePlan

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window to close.

    Attributes:
        key: Key of the window.
        read: Function that reads its partial profiles.
        size: Lower bound of the size of the partial profiles, in bytes.
        late: Whether an earlier sample of the window was judged, so that this one is not.
        edge: Whether the agent is cut off from its collector, so that its own evaluations count.
    """

    key: WindowKey
    read: ReadPartials
    size: int
    late: bool
    edge: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that is merged and judged, but not stored yet.

    Attributes:
        closing: Rows to store in place of the partial profiles.
        samples: Merged samples.
        evaluations: Results of the alerters.
        late: Whether the window was late, and so not judged.
        damaged: Number of partial profiles that failed their checksum.
        lost: Whether the profiles are lost, and their observations are counted as dropped.
    """

    closing: Closing
    samples: list[SummarySample]
    evaluations: list[Evaluation]
    late: bool
    damaged: int = 0
    lost: bool = False


def judge(window: OpenWindow, plan: ActivePlan) -> Judged | None:
    """Merge the partial profiles of a window and apply the alerters; None without profiles.

    It touches no lock and no database except through *window*, so that a forked child can call it.
    """
    key = window.key
    merged = merged_window(key, window.read, window.size, plan.edges_of(key.entity))
    if not merged.ids:
        return None
    samples = _coarsened_all(merged, plan) if plan.disclosure.coarsens else merged.samples
    evaluations: list[Evaluation] = []
    if not window.late:
        samples = samples + _changes(key, samples, plan)
        evaluations = evaluate_all(plan, samples)
    fewest = plan.disclosure.fewest_of_a_pseudonym
    told: list[SummarySample] = []
    rows: list[NewRow] = []
    for sample in samples:
        if sample.summary == SERVICE:
            continue
        row = _attempt(key, _row, sample, fewest)
        if row is None:
            merged.lost[LostCellReason.INTERNAL_ERROR.value] += sample.content.cells
        else:
            told.append(sample)
            rows.append(row)
    for service in _service(key, samples, merged):
        told.append(service)
        rows.append(_row(service, fewest))
    if window.edge or not plan.collector_judges:
        evaluations = [dataclasses.replace(one, edge=window.edge) for one in evaluations]
        rows += _evaluation_rows(key, evaluations)
    closing = Closing(key, merged.ids, rows)
    return Judged(closing, told, evaluations, window.late, merged.damaged)


def judged_as_lost(window: OpenWindow, reason: DropReason) -> Judged:
    """Return the result for a window whose partial profiles are lost as a whole."""
    key, ids = window.key, []
    observations = damaged = 0
    for partial in window.read():
        ids.append(partial.id)
        observations += partial.observations
        damaged += partial.payload is None
    _, samples, _ = lost(key, observations, reason)
    closing = Closing(key, ids, [_row(sample, 0) for sample in samples])
    return Judged(closing, samples, [], window.late, damaged, lost=True)


def evaluate_all(plan: ActivePlan, samples: list[SummarySample]) -> list[Evaluation]:
    """Apply every alerter to the samples it watches; a failing alerter does not stop the window."""
    found = []
    for sample in samples:
        references = plan.references(sample.entity)
        for alerter in plan.alerters(sample.entity, sample.summary):
            try:
                found.append(evaluate(alerter, sample, references))
            except BaseException:  # conditions and comparators may be the user's code
                told = {"entity": alerter.entity, "alerter": alerter.name}
                log.exception(
                    "an alerter failed and did not judge a window: correct it or its code",
                    extra=told,
                )
    return found


def _attempt(key: WindowKey, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return what *make* returns; None after an error, which is logged."""
    try:
        return make(*args, **kwargs)
    except MemoryError:
        raise  # the next attempt may have enough memory
    except BaseException:  # the code of an extension may raise anything
        log.exception(
            "a part of a window failed and is lost, the rest is stored: report this error",
            extra={"entity": key.entity},
        )
        return None


def _coarsened_all(merged: MergedWindow, plan: ActivePlan) -> list[SummarySample]:
    """Apply the current privacy setting to every sample, because it may have changed since."""
    found: list[SummarySample] = []
    for sample in merged.samples:
        told = _attempt(merged.key, coarsened, sample, plan)
        if told is None:
            merged.lost[LostCellReason.INTERNAL_ERROR.value] += sample.content.cells
        else:
            found.append(told)
    return found


def _changes(key: WindowKey, samples: list[SummarySample], plan: ActivePlan) -> list[SummarySample]:
    """Return the sample of `schema`, if the entity has one."""
    schema = _attempt(key, plan.schema, key.entity)
    found = None if schema is None else _attempt(key, schema.sample, samples)
    return [] if found is None else [found]


def _service(
    key: WindowKey, samples: list[SummarySample], merged: MergedWindow
) -> list[SummarySample]:
    """Return the sample of `service`, with all observations and losses of the window, if any."""
    found = [sample for sample in samples if sample.summary == SERVICE]
    missing = merged.observations - seen(found)
    lost_cells = dict(+merged.lost)
    if not missing and not lost_cells:
        return found
    dropped = {DropReason.INTERNAL_ERROR.value: missing} if missing > 0 else {}
    service = found[0] if found else empty_service(key)
    coverage = service.coverage.merge(Coverage(dropped=dropped, lost_cells=lost_cells))
    return [dataclasses.replace(service, coverage=coverage)]


def _row(sample: SummarySample, fewest: int) -> NewRow:
    return NewRow("sample", sample_to_bytes(sample.suppressed(fewest)), seen([sample]))


def _evaluation_rows(key: WindowKey, evaluations: list[Evaluation]) -> list[NewRow]:
    """Return the rows of *evaluations*, without those that cannot be encoded."""
    encoded = (_attempt(key, evaluation_to_bytes, one) for one in evaluations)
    return [NewRow("evaluation", payload) for payload in encoded if payload is not None]
