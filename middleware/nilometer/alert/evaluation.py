"""Evaluates one alerter on one window: a pure function of summaries."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.alert.alerter import Alerter, Severity
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.reason import Reason
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The verdict of an alerter on a window, with its evidence.

    Attributes:
        alerter: Alerter as it was at the evaluation.
        summary: Name of the summary it was applied to.
        labels: Labels of the sample.
        window: Window of the sample, in event time.
        verdict: Outcome of the evaluation.
        value: Measured value, in the unit of the condition; 0 if nothing was measured.
        count: Number of observations on which the verdict is based.
        reference_digest: Digest of the reference version; empty if no reference was used.
        evidence: Reason for the verdict, one sentence.
        reason: Reason why the window was not judged; not used for other verdicts.
        edge: Whether an agent that was cut off from its collector judged its own windows.
        other_way: Whether the values moved in the direction that is no breach, however far.
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
    reason: Reason = Reason.NOTHING_TO_JUDGE
    edge: bool = False
    other_way: bool = False

    @property
    def severity(self) -> Severity:
        """The severity of a breach with this value."""
        return self.alerter.severity_of(self.value)

    @property
    def may_close(self) -> bool:
        """Whether the window, which is no breach, is far enough inside to close an episode."""
        return self.other_way or self.alerter.may_close(self.value)


def evaluate(
    alerter: Alerter, sample: SummarySample, references: Mapping[str, Reference]
) -> Evaluation:
    """Apply *alerter* to *sample*; *references* are those of the entity, by name."""
    count = alerter.condition.observations(sample.content)
    judgement = _judgement(alerter, sample, references, count)
    return Evaluation(
        alerter=alerter,
        summary=sample.summary,
        labels=sample.labels,
        window=sample.window,
        verdict=judgement.verdict,
        value=judgement.value,
        count=count,
        reference_digest=judgement.reference_digest,
        evidence=judgement.evidence,
        reason=judgement.reason,
        other_way=judgement.other_way,
    )


def not_judged(alerter: Alerter, sample: SummarySample, reason: Reason, why: str) -> Evaluation:
    """Return the evaluation of a window that *alerter* cannot judge, with *why* as evidence."""
    return Evaluation(
        alerter=alerter,
        summary=sample.summary,
        labels=sample.labels,
        window=sample.window,
        verdict=Verdict.NOT_JUDGED,
        value=0.0,
        count=alerter.condition.observations(sample.content),
        reference_digest="",
        evidence=why,
        reason=reason,
    )


def _judgement(
    alerter: Alerter, sample: SummarySample, references: Mapping[str, Reference], count: int
) -> Judgement:
    times = alerter.times
    if times.is_maintained(sample.window):
        why = "a maintenance window overlaps this window"
        return Judgement(Verdict.NOT_JUDGED, why, reason=Reason.MAINTENANCE)
    if not times.is_scheduled(sample.window):
        why = f"the window starts outside the schedule ({times.time_zone})"
        return Judgement(Verdict.NOT_JUDGED, why, reason=Reason.OUTSIDE_SCHEDULE)
    if count < alerter.minimum_count and not alerter.condition.judges_any_count:
        why = f"{count} observations are fewer than the {alerter.minimum_count} asked for"
        return Judgement(Verdict.NOT_JUDGED, why, reason=Reason.TOO_FEW)
    return alerter.condition.judge(sample, references)
