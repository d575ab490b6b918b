"""Parameters and results of queries for many series. Times are Unix nanoseconds, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nilometer.profile import Content, Coverage
from nilometer.sketch.moments import Moments
from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.window import Window
from nilometer_collector.store import LEVELS, Level

MAX_PAGE = 10_000  # most points in one response


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The series and the time span of a query.

    Attributes:
        entity: Name of the entity.
        summaries: Names of summaries, or patterns such as ``input.*``.
        labels: Filter of the label sets.
        start_ns: Time after which windows must end.
        end_ns: Time before which windows must start.
    """

    entity: str
    summaries: Sequence[str]
    labels: LabelFilter
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The values to compute for each point.

    Attributes:
        quantiles: Quantiles to return, each 0 to 1.
        cdf: Numbers at which the distribution function is returned.
        edges: Edges of a histogram, ascending; empty returns no histogram.
        top: Number of most frequent categories to return.
        statistics: Names of statistics, as alerters use them.
        moments: Whether to return mean, deviation, skewness, kurtosis, minimum and maximum.
        rates: Whether to return observations per second, and the shares of a feature or service.
        coverage: Whether to return the coverage.
        sample: Whether to return the merged sample itself.
    """

    quantiles: tuple[float, ...] = ()
    cdf: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    top: int = 0
    statistics: tuple[str, ...] = ()
    moments: bool = False
    rates: bool = False
    coverage: bool = False
    sample: bool = False

    @property
    def only_numbers(self) -> bool:
        """Whether t-digests and moments suffice, so that samples are decoded only in part."""
        whole = (self.edges, self.top, self.statistics, self.rates, self.coverage, self.sample)
        return not any(whole)

    @property
    def only_sample(self) -> bool:
        """Whether the merged samples suffice, so that one that is alone need not be decoded."""
        numbers = (self.quantiles, self.cdf, self.moments)
        others = (self.edges, self.top, self.statistics, self.rates, self.coverage)
        return self.sample and not any((*numbers, *others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """The other side of a comparison: the same summaries of another entity, label set or time.

    Attributes:
        entity: Name of the entity.
        labels: Filter of the label sets.
        earlier_ns: Time shift of its windows into the past.
    """

    entity: str
    labels: LabelFilter
    earlier_ns: int = 0


class Cursor(NamedTuple):
    """The first point of the next page."""

    summary: str
    labels: str
    start_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuestion:
    """A query for many series.

    Attributes:
        selection: Series and time.
        step_ns: Length of the aligned windows to merge into; None for one window of the whole time.
        by: Label keys to group by; all other labels are merged.
        measures: Values of each point.
        reference: Name of the reference to compare with, or None.
        other: Other side to compare with, or None.
        comparators: Names of the distances; empty for all.
        limit: Largest number of points in the answer, 1 to `MAX_PAGE`.
        after: Cursor from the page before; None starts at the first point.
        coarsest: Coarsest level of the store to read.
    """

    selection: Selection
    step_ns: int | None = None
    by: tuple[str, ...] = ()
    measures: Measures = Measures()
    reference: str | None = None
    other: Other | None = None
    comparators: tuple[str, ...] = ()
    limit: int = MAX_PAGE
    after: Cursor | None = None
    coarsest: Level = LEVELS[-1]


@dataclass(slots=True, kw_only=True)
class Point:
    """One window of one series.

    Attributes:
        level: Coarsest level of the samples that were merged.
        samples: Number of these samples.
        count: Number of finite numbers and categories, or of requests.
        seen: Number of observations, profiled or not; None if coverage was not read.
        quantiles: Value of each requested quantile; NaN without numbers.
        cdf: Share of each requested value; NaN without numbers.
        histogram: Count of each bin: below the first edge, between the edges, from the last edge.
        estimated: Whether the histogram was estimated from the t-digest.
        moments: Moments; None if they were not requested or there are no numbers.
        minimum: Smallest number; None if there is none.
        maximum: Largest number; None if there is none.
        content: Full content, if a measure needs it.
        coverage: Coverage, if the content was read.
        packed: Bytes of the merged sample, if it was requested.
        distances: Distance from the reference by comparator, None if a distance does not exist;
            None without a reference.
        other_distances: Distance from the other side by comparator, None if it does not exist; None
            without another side.
        other_count: Number of values on the other side; None without another side.
    """

    window: Window
    level: Level
    samples: int
    count: int
    quantiles: Sequence[float] = ()
    cdf: Sequence[float] = ()
    histogram: Sequence[float] = ()
    estimated: bool = False
    moments: Moments | None = None
    minimum: float | None = None
    maximum: float | None = None
    content: Content | None = None
    coverage: Coverage | None = None
    packed: bytes | None = None
    distances: Mapping[str, float | None] | None = None
    other_distances: Mapping[str, float | None] | None = None
    other_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of one summary and group, oldest first.

    Attributes:
        labels: Labels that all merged label sets have in common.
    """

    summary: str
    labels: Labels
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """The answer to a `SeriesQuestion`.

    Attributes:
        series: Series with points on this page, by summary and labels.
        levels: Number of samples read from each level.
        after: Cursor of the next page; None at the end.
    """

    series: Sequence[Series]
    levels: Mapping[Level, int]
    after: Cursor | None
