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
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.numbers import numbers_from_bytes
from nilometer.wire.samples import Alone, Together, each_alone, each_to_bytes
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
    if measures.only_sample and not whole:
        return _packed_points(cells, measures, edges_of)
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


def _packed_points(
    cells: Sequence[Cell], measures: Measures, edges_of: EdgesOf
) -> list[Point | None]:
    """Return points with the bytes of their samples; a sample that is alone is not decoded."""
    is_alone = [len(cell.payloads) == 1 for cell in cells]
    alone = [cell for cell, single in zip(cells, is_alone, strict=True) if single]
    try:
        moved = each_alone(_together(alone, edges_of))
    except (ValueError, NilometerError):  # merging logs the damaged sample, and leaves it out
        return _whole_points(cells, measures, edges_of)
    others = [cell for cell, single in zip(cells, is_alone, strict=True) if not single]
    merged = iter(_whole_points(others, measures, edges_of))
    found = iter([_packed_point(cell, one) for cell, one in zip(alone, moved, strict=True)])
    return [next(found) if single else next(merged) for single in is_alone]


def _packed_point(cell: Cell, alone: Alone) -> Point:
    point = _point(cell, alone.count)
    point.packed = alone.packed
    return point


def _whole_points(
    cells: Sequence[Cell], measures: Measures, edges_of: EdgesOf
) -> list[Point | None]:
    samples = merged_each(_together(cells, edges_of))
    points = [
        None if sample is None else _whole_point(cell, sample, measures)
        for cell, sample in zip(cells, samples, strict=True)
    ]
    if measures.sample:
        packed = each_to_bytes([sample for sample in samples if sample is not None])
        kept = (point for point in points if point is not None)
        for point, one in zip(kept, packed, strict=True):
            point.packed = one
    return points


def _together(cells: Sequence[Cell], edges_of: EdgesOf) -> list[Together]:
    return [Together(cell.payloads, cell.window, cell.labels, edges_of) for cell in cells]


def _whole_point(cell: Cell, sample: SummarySample, measures: Measures) -> Point:
    content = sample.content
    point = _point(cell, content.count)
    point.content, point.coverage = content, sample.coverage
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
