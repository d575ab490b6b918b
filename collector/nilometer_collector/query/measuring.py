"""Computes the values of points from the samples of their windows."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nilometer.profile import (
    Content,
    FeatureProfile,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.numbers import numbers_from_bytes
from nilometer.wire.samples import Together
from nilometer_collector.query.merging import merged_each
from nilometer_collector.query.series_records import Measures, Point
from nilometer_collector.store import Level


@dataclass(slots=True)  # not frozen, because making thousands of frozen ones takes twice as long
class Cell:
    """One window of one group, with its samples."""

    summary: str
    labels: Labels
    start_ns: int
    end_ns: int
    payloads: Sequence[bytes]
    level: Level  # coarsest level of the samples

    @property
    def window(self) -> Window:
        """The window of the cell; without bounds, the span that its samples cover."""
        return Window(self.start_ns, self.end_ns)


def points_of(
    cells: Sequence[Cell], measures: Measures, edges_of: EdgesOf, *, whole: bool = False
) -> list[Point | None]:
    """Return the point of each cell; None for a cell without a readable sample.

    Args:
        cells: Cells to compute, sorted by summary.
        measures: Values to compute.
        edges_of: Function that finds the edges of the entity's references.
        whole: Whether every point needs its full content, for a comparison.
    """
    if whole or not measures.only_numbers:
        return _whole_points(cells, measures, edges_of)
    together = _number_points(cells, measures)
    if together is not None:
        return together
    found: list[Point | None] = []
    for start, end in _runs([cell.summary for cell in cells]):
        part = cells[start:end]
        some = _number_points(part, measures)
        if some is None:
            some = _whole_points(part, measures, edges_of)
        found += some
    return found


def _number_points(cells: Sequence[Cell], measures: Measures) -> list[Point | None] | None:
    """Return the points of numeric samples; None if the samples must be fully decoded."""
    if not cells:
        return []
    read = numbers_from_bytes([cell.payloads for cell in cells], moments=measures.moments)
    if read is None:
        return None
    digests, moments = read.digests, read.moments
    values = digests.quantiles(np.array(measures.quantiles)).tolist()
    found: list[Point | None] = []
    rows = zip(cells, digests.counts.tolist(), values, strict=True)
    for at, (cell, count, quantiles) in enumerate(rows):
        point = _point(cell, count)
        point.quantiles = quantiles
        if measures.cdf:
            point.cdf = digests.at(at).rank(measures.cdf).tolist()
        if measures.moments and count:
            point.moments = moments[at]
            point.minimum, point.maximum = float(digests.low[at]), float(digests.high[at])
        found.append(point)
    return found


def _whole_points(
    cells: Sequence[Cell], measures: Measures, edges_of: EdgesOf
) -> list[Point | None]:
    groups = [Together(cell.payloads, cell.window, cell.labels, edges_of) for cell in cells]
    return [
        None if sample is None else _whole_point(cell, sample, measures)
        for cell, sample in zip(cells, merged_each(groups), strict=True)
    ]


def _whole_point(cell: Cell, sample: SummarySample, measures: Measures) -> Point:
    content = sample.content
    point = _point(cell, content.count)
    point.content, point.coverage, point.share = content, sample.coverage, sample.sample
    point.quantiles = [math.nan] * len(measures.quantiles)
    point.cdf = [math.nan] * len(measures.cdf)
    fill = _FILLED_BY.get(type(content))
    if fill is not None:
        fill(point, content, measures)
    return point


def _point(cell: Cell, count: int) -> Point:
    return Point(window=cell.window, level=cell.level, samples=len(cell.payloads), count=count)


def _fill_from_feature(point: Point, feature: FeatureProfile, measures: Measures) -> None:
    numbers = feature.numbers
    if measures.edges:
        point.histogram, point.estimated = numbers.counts_on(measures.edges)
    if not numbers.count:
        return
    if measures.quantiles:
        point.quantiles = numbers.digest.quantile(measures.quantiles).tolist()
    if measures.cdf:
        point.cdf = numbers.digest.rank(measures.cdf).tolist()
    if measures.moments:
        point.moments = numbers.moments
        point.minimum, point.maximum = numbers.digest.min, numbers.digest.max


def _fill_from_service(point: Point, service: ServiceProfile, measures: Measures) -> None:
    """Set the latency of a point, in seconds."""
    found = (service.latency.quantile(q) for q in measures.quantiles)
    point.quantiles = [math.nan if value is None else value for value in found]


def _fill_from_scores(point: Point, scores: ScoreProfile, measures: Measures) -> None:
    if measures.moments and scores.score.count:
        point.moments = scores.score


# `Any`, because each function takes only the content type of its key.
_FILLED_BY: Mapping[type[Content], Callable[[Point, Any, Measures], None]] = {
    FeatureProfile: _fill_from_feature,
    ServiceProfile: _fill_from_service,
    ScoreProfile: _fill_from_scores,
}


def _runs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return start and end of each run of equal neighbours."""
    starts = [at for at, name in enumerate(names) if not at or names[at - 1] != name]
    return list(zip(starts, [*starts[1:], len(names)], strict=True))
