"""Checks of the contents of samples before they are stored, one for each content type.

A series holds contents of one type, so that its samples merge. The name of a summary says which:
``service`` holds requests, ``<output>.scores`` scores, and what a type from outside names as its
`summaries` that type. Every other summary holds features.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase

from nilometer.kinds import CONTENT_KINDS
from nilometer.profile import Content, FeatureProfile, ScoreProfile, ServiceProfile, SummarySample
from nilometer.values.entity import SCORES_SUFFIX, SERVICE
from nilometer_collector.errors import Refused
from nilometer_collector.limits.feature import check_feature
from nilometer_collector.limits.scores import check_scores
from nilometer_collector.limits.service import check_service

# A check takes its own content type only, which the kind of the key stands for, and raises
# `Refused`.
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
    check = CHECKS.get(kind, _check_extension)
    check(sample.content)


def _kind_in(summary: str) -> str:
    """Return the kind of content that belongs to the name *summary*."""
    if summary == SERVICE:
        return ServiceProfile.kind
    if summary.endswith(SCORES_SUFFIX):
        return ScoreProfile.kind
    for name, kind in CONTENT_KINDS.items():
        if fnmatchcase(summary, kind.summaries):
            return name
    return FeatureProfile.kind


def _check_extension(content: Content) -> None:
    """Refuse a content of another package's type that its own check refuses."""
    check = CONTENT_KINDS[content.kind].check
    if check is None:
        return
    try:
        check(content)
    except ValueError as error:
        raise Refused(str(error)) from error
