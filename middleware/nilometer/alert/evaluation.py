"""Evaluates one alerter on one window: a pure function of summaries."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.alert.alerter import Alerter
from nilometer.alert.judgement import Judgement, Verdict
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
    condition = alerter.condition
    count = condition.observations(sample.content)
    if count < alerter.minimum_count and not condition.judges_any_count:
        why = f"{count} observations are fewer than the {alerter.minimum_count} asked for"
        judgement = Judgement(Verdict.NOT_JUDGED, why)
    else:
        judgement = condition.judge(sample, references)
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
    )
