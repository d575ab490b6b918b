"""One alerter applied to one window: a pure function of summaries."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from nilometer.alert.alerter import Alerter, AlerterKind
from nilometer.alert.statistic import CELL_SHARES, COUNT, statistic_of
from nilometer.compare.comparison import Comparator, compare
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window


class Verdict(Enum):
    """What an alerter says of one window."""

    FINE = "FINE"
    BREACH = "BREACH"
    NOT_JUDGED = "NOT_JUDGED"  # too few observations, or nothing to compare with


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A verdict with everything that led to it.

    Attributes:
        alerter: The rule as it was.
        summary: What it was applied to.
        labels: Where.
        window: When, in event time.
        verdict: The outcome.
        value: What was measured; 0 where nothing was.
        count: Observations behind it.
        reference_digest: Which version of the reference was compared with; or empty.
        evidence: One sentence for a human.
    """

    alerter: Alerter
    summary: str
    labels: Labels
    window: Window
    verdict: Verdict
    value: float
    count: int
    reference_digest: str
    evidence: str


def evaluate(
    alerter: Alerter, sample: SummarySample, references: Mapping[str, Reference]
) -> Evaluation:
    """Apply *alerter* to *sample*; *references* are those of the entity, by name."""
    count = observations_behind(alerter, sample.content)
    counts = alerter.kind is not AlerterKind.REFERENCE and alerter.statistic == COUNT
    if count < alerter.minimum_count and not counts:
        why = f"{count} observations are fewer than the {alerter.minimum_count} asked for"
        return _evaluation(alerter, sample, Verdict.NOT_JUDGED, 0.0, why)
    match alerter.kind:
        case AlerterKind.REFERENCE:
            return _against_reference(alerter, sample, references)
        case AlerterKind.FIXED | AlerterKind.RANGE:
            return _against_limits(alerter, sample)


def observations_behind(alerter: Alerter, content: Content) -> int:
    """How many observations the verdict would rest on: cells for a share of cells, else values."""
    shares = alerter.kind is not AlerterKind.REFERENCE and alerter.statistic in CELL_SHARES
    return content.cells if shares else content.count


def _against_reference(
    alerter: Alerter, sample: SummarySample, references: Mapping[str, Reference]
) -> Evaluation:
    reference = references.get(alerter.reference)
    if reference is None:
        why = f"there is no reference {alerter.reference!r}"
        return _evaluation(alerter, sample, Verdict.NOT_JUDGED, 0.0, why)
    column = reference.columns.get(sample.summary)
    if column is None or not isinstance(sample.content, FeatureProfile):
        why = f"reference {alerter.reference!r} has no {sample.summary}"
        return _evaluation(alerter, sample, Verdict.NOT_JUDGED, 0.0, why, reference.digest)
    comparison = compare(alerter.comparator, column, sample.content)
    if comparison is None:
        why = f"{alerter.comparator.value} does not exist for this column"
        return _evaluation(alerter, sample, Verdict.NOT_JUDGED, 0.0, why, reference.digest)
    breached = comparison.value > alerter.threshold
    unit = " nats" if alerter.comparator is Comparator.PSI else ""
    why = (
        f"{alerter.comparator.value.upper()} from {reference.name} is {comparison.value:.3g}{unit} "
        f"(threshold {alerter.threshold:g}) over {sample.content.count} values; "
        f"{comparison.largest_bin} holds {comparison.share_now:.1%} of them, "
        f"was {comparison.share_before:.1%}"
    )
    verdict = Verdict.BREACH if breached else Verdict.FINE
    return _evaluation(alerter, sample, verdict, comparison.value, why, reference.digest)


def _against_limits(alerter: Alerter, sample: SummarySample) -> Evaluation:
    value = statistic_of(sample.content, alerter.statistic)
    if value is None:
        why = f"{alerter.statistic} does not exist for this summary"
        return _evaluation(alerter, sample, Verdict.NOT_JUDGED, 0.0, why)
    if alerter.kind is AlerterKind.FIXED:
        breached = alerter.side.breached(value, alerter.threshold)
        limit = f"alert when {alerter.side.value} {alerter.threshold:g}"
    else:
        breached = not alerter.low <= value <= alerter.high
        limit = f"fine in [{alerter.low:g}, {alerter.high:g}]"
    why = f"{alerter.statistic} is {value:.4g} ({limit}) over {observations_behind(alerter, sample.content)} observations"
    return _evaluation(alerter, sample, Verdict.BREACH if breached else Verdict.FINE, value, why)


def _evaluation(
    alerter: Alerter,
    sample: SummarySample,
    verdict: Verdict,
    value: float,
    evidence: str,
    reference_digest: str = "",
) -> Evaluation:
    return Evaluation(
        alerter=alerter,
        summary=sample.summary,
        labels=sample.labels,
        window=sample.window,
        verdict=verdict,
        value=value,
        count=observations_behind(alerter, sample.content),
        reference_digest=reference_digest,
        evidence=evidence,
    )
