"""Checks of the contents of samples before they are stored, one for each content type.

A series has contents of one type, so that its samples can be merged. The name of a summary
determines which types it may have (`nilometer.kinds.may_hold`).
"""

from collections.abc import Callable

from nilometer.kinds import CONTENT_KINDS, may_hold
from nilometer.profile import Content, FeatureProfile, ScoreProfile, ServiceProfile, SummarySample
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.logged import Logged
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer_collector.errors import Refused
from nilometer_collector.limits.feature import check_feature, check_without_digest
from nilometer_collector.limits.logged import (
    check_amounts,
    check_confusion_matrix,
    check_end,
    check_table,
    check_text_content,
)
from nilometer_collector.limits.performance import (
    check_classification,
    check_ranking,
    check_regression,
    check_row_metrics,
)
from nilometer_collector.limits.scores import check_scores
from nilometer_collector.limits.service import check_service

# The parameters are `...`, because each check takes its own content type. It raises `Refused`.
CHECKS: dict[str, Callable[..., None]] = {
    FeatureProfile.kind: check_feature,
    ServiceProfile.kind: check_service,
    ScoreProfile.kind: check_scores,
    Number.kind: check_amounts,
    Text.kind: check_text_content,
    Table.kind: check_table,
    Matrix.kind: check_amounts,
    Line.kind: check_amounts,
    ConfusionMatrix.kind: check_confusion_matrix,
    Classification.kind: check_classification,
    Regression.kind: check_regression,
    Ranking.kind: check_ranking,
    RowMetrics.kind: check_row_metrics,
}
# Checks of contents that were read without their t-digest.
_WITHOUT_DIGEST: dict[str, Callable[..., None]] = {FeatureProfile.kind: check_without_digest}


def check_content(sample: SummarySample, *, digest: bool = True) -> None:
    """Refuse a *sample* if its content has a wrong type for its summary or exceeds a limit.

    Args:
        sample: Sample to check.
        digest: Whether the content has its t-digest; without it, the caller has checked it.

    Raises:
        Refused: If the sample is refused; the message gives the reason.
    """
    kind = sample.content.kind
    if not may_hold(sample.summary, kind):
        raise Refused(f"{sample.summary} must not have content of type {kind}")
    check = CHECKS.get(kind, _check_extension)
    if not digest:
        check = _WITHOUT_DIGEST.get(kind, check)
    check(sample.content)
    if isinstance(sample.content, Logged | Text):
        check_end(sample.content, sample.window)


def _check_extension(content: Content) -> None:
    """Check a content of another package's type with that package's own check."""
    check = CONTENT_KINDS[content.kind].check
    if check is None:
        return
    try:
        check(content)
    except ValueError as error:
        raise Refused(str(error)) from error
