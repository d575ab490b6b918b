"""The form of performance in the API: metrics with their intervals, and the counts behind them."""

from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType, structs

from nilometer.kinds import ContentView
from nilometer.profile.performance import (
    Classification,
    Estimate,
    Performance,
    Ranking,
    Regression,
    RowMetrics,
)
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import Shown, finite

P = TypeVar("P", Classification, Regression, Ranking, RowMetrics)

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the errors of a regression


class MetricView(Struct, frozen=True, kw_only=True):
    """A metric with the interval that contains its true value with a probability of 95 %."""

    value: float | None
    low: float | None  # null if the rows give no lower end
    high: float | None  # null if the rows give no upper end
    rows: float  # rows on which the value rests, such as the positive rows of a recall


class PerformanceView(ContentView, frozen=True, kw_only=True):
    """Predictions judged by their ground truth. Fields that its type does not have are absent."""

    type: str  # classification, regression, ranking or row_metrics
    count: int  # rows, or lists of a ranking, with a ground truth
    without_truth: int  # rows without one, or lists without a relevant item
    unusable: int  # rows with a ground truth whose scores or numbers cannot be used
    metrics: dict[str, MetricView]  # by name
    positive: str | UnsetType | None = UNSET  # positive class of a binary classifier
    classes: list[str] | UnsetType = UNSET  # of a classifier; "" is a missing prediction
    confusion: list[list[float]] | UnsetType = (
        UNSET  # rows of a classifier: a list for each predicted class, a number for each true one
    )
    errors: dict[str, float | None] | UnsetType = (
        UNSET  # quantiles of the errors of a regression, such as p95
    )


def performance_view(content: Performance) -> PerformanceView:
    """Return *content* as the API shows it."""
    match content:
        case Classification():
            return structs.replace(
                _view(content, content.unlabelled, content.unscored),
                positive=content.positive,
                classes=list(content.classes),
                confusion=content.matrix.tolist(),
            )
        case Regression():
            return structs.replace(
                _view(content, content.unlabelled, content.unusable), errors=_errors(content)
            )
        case Ranking():
            return _view(content, content.without_relevant)
        case RowMetrics():
            return _view(content)


def _view(content: Performance, without_truth: int = 0, unusable: int = 0) -> PerformanceView:
    return PerformanceView(
        type=content.kind,
        count=content.count,
        without_truth=without_truth,
        unusable=unusable,
        metrics={name: metric_view(one) for name, one in content.estimates().items()},
    )


def metric_view(estimate: Estimate) -> MetricView:
    """Return *estimate* as the API shows it; an end that is not finite becomes null."""
    return MetricView(
        value=finite(estimate.value),
        low=finite(estimate.low),
        high=finite(estimate.high),
        rows=estimate.rows,
    )


def _errors(rows: Regression) -> dict[str, float | None]:
    if not rows.count:
        return {}
    found = rows.residuals.numbers.digest.quantile(QUANTILES)
    return {f"p{100 * q:02.0f}": finite(float(v)) for q, v in zip(QUANTILES, found, strict=True)}


def _shown(kind: type[P]) -> Shown[P]:
    def in_window(content: P, window: Window, bins: Bins | None) -> PerformanceView:
        del window, bins
        return performance_view(content)

    return Shown(kind=kind.kind, field="performance", view=in_window)


SHOWN_PERFORMANCE = (
    _shown(Classification),
    _shown(Regression),
    _shown(Ranking),
    _shown(RowMetrics),
)
