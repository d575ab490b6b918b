"""One alerter applied to one window: a pure function of summaries."""

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
