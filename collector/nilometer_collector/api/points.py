"""Points of many series as the HTTP API shows them."""

import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from nilometer.profile import Content, FeatureProfile
from nilometer_collector.api.coverage import CoverageView, coverage_view
from nilometer_collector.api.fields import seconds
from nilometer_collector.contents.feature import CategoryView
from nilometer_collector.contents.view import finite, ratio
from nilometer_collector.query.series_records import (
    Cursor,
    Measures,
    Point,
    Series,
    SeriesAnswer,
    SeriesQuestion,
)
from nilometer_collector.store import LEVELS

_LEVEL_NAMES = {level: level.value for level in LEVELS}  # faster than `value` for each point
RATE_SUFFIX = "_ratio"  # end of the names of statistics that are shares


class MomentsView(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of finite numbers or scores."""

    mean: float | None
    standard_deviation: float | None
    skewness: float | None
    kurtosis: float | None  # excess: 0 for a normal distribution
    minimum: float | None
    maximum: float | None


class HistogramCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the bins: below the first edge, between the edges, and from the last edge on."""

    edges: list[float]
    counts: list[float]  # one more count than edges
    estimated: bool  # whether counts are estimated from the t-digest; false on a reference's edges


# Without `gc=False`, the garbage collector would visit all points of an answer again and again.
class PointView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One window of a series. Fields that the request did not ask for are absent."""

    window_start: float
    window_end: float
    level: str  # coarsest level of the merged samples: shipped, 5m, 1h or 1d
    samples: int  # number of merged samples
    count: int  # number of finite numbers and categories, or of requests
    quantiles: dict[str, float | None] | msgspec.UnsetType = (
        msgspec.UNSET
    )  # value by quantile; latency in seconds for `service`
    cdf: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET  # share of values, by number
    histogram: HistogramCounts | msgspec.UnsetType = msgspec.UNSET
    moments: MomentsView | msgspec.UnsetType | None = msgspec.UNSET
    top: list[CategoryView] | msgspec.UnsetType = msgspec.UNSET
    rates: dict[str, float | None] | msgspec.UnsetType = (
        msgspec.UNSET
    )  # observations per second, and named shares
    statistics: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET
    coverage: CoverageView | msgspec.UnsetType = msgspec.UNSET
    distances: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET  # to the reference
    other_distances: dict[str, float | None] | msgspec.UnsetType = (
        msgspec.UNSET
    )  # distances to the other side
    other_count: int | msgspec.UnsetType = msgspec.UNSET  # number of values on the other side
    sample: bytes | msgspec.UnsetType = (
        msgspec.UNSET
    )  # nilometer.v1.SummarySample with all sketches, protobuf in base64


class SeriesView(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one summary and group, oldest first."""

    summary: str
    labels: dict[str, str]  # value of each label key in `by`
    points: list[PointView]


class SeriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of series, sorted by summary and labels, with the cursor of the next page."""

    entity: str
    series: list[SeriesView]
    levels: dict[str, int]  # number of samples read from each level
    next: str | None  # value of `after` for the next page; null on the last page


def page_view(question: SeriesQuestion, answer: SeriesAnswer) -> SeriesPage:
    """Return the *answer* to *question* as the API shows it."""
    return SeriesPage(
        entity=question.selection.entity,
        series=[_series_view(one, question) for one in answer.series],
        levels={level.value: count for level, count in answer.levels.items()},
        next=None if answer.after is None else _cursor_text(answer.after),
    )


def _cursor_text(cursor: Cursor) -> str:
    return f"{cursor.start_ns}:{quote(cursor.summary, safe='')}:{quote(cursor.labels, safe='')}"


def _series_view(series: Series, question: SeriesQuestion) -> SeriesView:
    measures = question.measures
    shares, values = list(map(_text, measures.quantiles)), list(map(_text, measures.cdf))
    return SeriesView(
        summary=series.summary,
        labels=series.labels.as_dict(),
        points=[_point_view(point, question, shares, values) for point in series.points],
    )


def _point_view(
    point: Point,
    question: SeriesQuestion,
    shares: Sequence[str],
    values: Sequence[str],
) -> PointView:
    """Return a point with the fields that *question* asks for.

    Args:
        point: Point to show.
        question: Question that it answers.
        shares: Names of the quantiles.
        values: Names of the numbers at which the distribution function is returned.
    """
    measures, content = question.measures, point.content
    unset = msgspec.UNSET
    return PointView(
        window_start=seconds(point.window.start_ns),
        window_end=seconds(point.window.end_ns),
        level=_LEVEL_NAMES[point.level],
        samples=point.samples,
        count=point.count,
        quantiles=_by_name(shares, point.quantiles) if shares else unset,
        cdf=_by_name(values, point.cdf) if values else unset,
        histogram=_histogram(point, measures) if measures.edges else unset,
        moments=_moments(point) if measures.moments else unset,
        top=_top(content, measures.top) if measures.top else unset,
        rates=_rates(point) if measures.rates else unset,
        statistics=_statistics(content, measures.statistics) if measures.statistics else unset,
        coverage=coverage_view(point.coverage)
        if measures.coverage and point.coverage is not None
        else unset,
        distances=dict(point.distances or {}) if question.reference else unset,
        other_distances=dict(point.other_distances or {}) if question.other else unset,
        other_count=unset if point.other_count is None else point.other_count,
        sample=unset if point.packed is None else point.packed,
    )


def _by_name(names: Sequence[str], values: Sequence[float]) -> dict[str, float | None]:
    return dict(zip(names, map(finite, values), strict=True))


def _text(number: float) -> str:
    """Return the shortest text of a number; whole numbers have no decimal point."""
    text = repr(number)
    return text.removesuffix(".0")


def _histogram(point: Point, measures: Measures) -> HistogramCounts:
    counts = point.histogram or [0.0] * (len(measures.edges) + 1)
    return HistogramCounts(
        edges=list(measures.edges), counts=list(counts), estimated=point.estimated
    )


def _moments(point: Point) -> MomentsView | None:
    found = point.moments
    if found is None:
        return None
    deviation = found.standard_deviation or 0.0
    skewness = kurtosis = math.nan
    if found.m2 > 0 and math.isfinite(found.m2):
        skewness = found.m3 / found.count / deviation**3
        kurtosis = found.m4 / found.count / deviation**4 - 3.0
    return MomentsView(
        mean=finite(found.mean),
        standard_deviation=finite(deviation),
        skewness=finite(skewness),
        kurtosis=finite(kurtosis),
        minimum=point.minimum,
        maximum=point.maximum,
    )


def _top(content: Content | None, most: int) -> list[CategoryView]:
    if not isinstance(content, FeatureProfile):
        return []
    present = sum(content.types.values())
    return [
        CategoryView(value=value, count=count, ratio=min(ratio(count, present) or 0.0, 1.0))
        for value, count in content.categories.top(most)
    ]


def _rates(point: Point) -> dict[str, float | None]:
    """Return the observations per second, and all statistics that are shares."""
    seen = 0 if point.coverage is None else point.coverage.seen
    names = [] if point.content is None else list(point.content.statistics())
    shares = _statistics(point.content, [name for name in names if name.endswith(RATE_SUFFIX)])
    return {"per_second": seen / point.window.seconds, **shares}


def _statistics(content: Content | None, names: Sequence[str]) -> dict[str, float | None]:
    known: Mapping[str, object] = {} if content is None else content.statistics()
    found: dict[str, float | None] = {}
    for name in names:
        statistic = known.get(name)
        found[name] = finite(statistic(content)) if callable(statistic) else None
    return found
