"""What the contents of samples must be, one check a content type, by kind.

A series holds contents of one type, so that its samples merge. The name of a summary says which:
``service`` holds requests, ``<output>.scores`` scores, and ``<name>.<kind>`` a type from outside.
Every other summary holds features.
"""

from collections.abc import Callable

from nilometer.profile import FeatureProfile, ScoreProfile, ServiceProfile, SummarySample
from nilometer.values.entity import SCORES_SUFFIX, SERVICE
from nilometer_collector.errors import Refused
from nilometer_collector.limits.feature import check_feature
from nilometer_collector.limits.scores import check_scores
from nilometer_collector.limits.service import check_service

# A check takes its own content type only, which the kind of the key stands for, and raises
# `Refused`. That of a type from outside is added before use.
CHECKS: dict[str, Callable[..., None]] = {
    FeatureProfile.kind: check_feature,
    ServiceProfile.kind: check_service,
    ScoreProfile.kind: check_scores,
}


def check_content(sample: SummarySample) -> None:
    """Refuse a *sample* whose content does not belong to its summary, or is out of bounds.

    Raises:
        Refused: With the reason.
    """
    kind = sample.content.kind
    if kind != _kind_in(sample.summary):
        raise Refused(f"{sample.summary} has the content of another kind of summary")
    CHECKS[kind](sample.content)


def _kind_in(summary: str) -> str:
    """The kind of content that the name of *summary* asks for."""
    if summary == SERVICE:
        return ServiceProfile.kind
    if summary.endswith(SCORES_SUFFIX):
        return ScoreProfile.kind
    last = summary.rpartition(".")[2]
    outside = last in CHECKS and last not in (FeatureProfile.kind, ServiceProfile.kind)
    return last if outside else FeatureProfile.kind
