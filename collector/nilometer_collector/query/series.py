"""Answers queries for many series, page by page, with a comparison if the query asks for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from nilometer.profile import Content, Reference
from nilometer_collector.query.cells import MAX_SAMPLES, Bounds, Cells, Slice, cells_of
from nilometer_collector.query.difference import column_of, distances_from
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.groups import Group, Key, groups_of
from nilometer_collector.query.measuring import Cell, points_of
from nilometer_collector.query.pages import check_points, slices_of
from nilometer_collector.query.series_records import (
    Cursor,
    Measures,
    Point,
    Series,
    SeriesAnswer,
    SeriesQuestion,
)
from nilometer_collector.store import LEVELS, Level, Samples

MOST_WITH_SAMPLE = 500  # most points of a page if each has its sample, which takes a millisecond

Placed = tuple[Group, Point]


class SeriesReader:
    """Reads pages of many series. Thread-safe.

    Args:
        stored: Samples of the store.
        edges: Edges of all references.
    """

    def __init__(self, stored: Samples, edges: ReferenceEdges) -> None:
        self._stored = stored
        self._edges = edges

    def answer(self, question: SeriesQuestion, reference: Reference | None) -> SeriesAnswer:
        """Return the page of the answer that begins at the question's cursor.

        A page of merged samples has at most `MOST_WITH_SAMPLE` points.

        Args:
            question: Question to answer.
            reference: Reference to compare with, or None.

        Raises:
            Unknown: If the entity or a summary does not exist.
            TooMuch: If the answer would have too many points, or a page too many samples.
        """
        if question.measures.sample:
            question = replace(question, limit=min(question.limit, MOST_WITH_SAMPLE))
        selection = question.selection
        groups = groups_of(
            self._stored, selection.entity, selection.summaries, selection.labels, question.by
        )
        check_points(groups, question)
        others = self._others(question)
        points: list[Placed] = []
        levels: dict[Level, int] = {}
        for part in slices_of(groups, question):
            if len(points) == question.limit or sum(levels.values()) >= MAX_SAMPLES:
                return _answer(points, levels, _first_of(part))
            cells = cells_of(self._stored, part)
            for level, count in cells.levels.items():
                levels[level] = levels.get(level, 0) + count
            points += self._points(part, cells, question, reference, others)
            if len(points) > question.limit:
                group, point = points[question.limit]
                after = Cursor(*group.key, point.window.start_ns)
                return _answer(points[: question.limit], levels, after)
        return _answer(points, levels, None)

    def _others(self, question: SeriesQuestion) -> Mapping[Key, Group]:
        """Return the groups of the other side of the comparison, by key."""
        other, summaries = question.other, question.selection.summaries
        if other is None:
            return {}
        found = groups_of(self._stored, other.entity, summaries, other.labels, question.by)
        return {group.key: group for group in found}

    def _points(
        self,
        part: Slice,
        cells: Cells,
        question: SeriesQuestion,
        reference: Reference | None,
        others: Mapping[Key, Group],
    ) -> list[Placed]:
        """Return the points of a slice in the order of the answer."""
        compared = reference is not None or question.other is not None
        bounds, wanted = _wanted(part, cells)
        edges_of = self._edges.of(question.selection.entity)
        placed = [
            (group, place, point)
            for (group, place), point in zip(
                bounds,
                points_of(wanted, question.measures, edges_of, whole=compared),
                strict=True,
            )
            if point is not None
        ]
        if reference is not None:
            for group, _, point in placed:
                column = reference.columns.get(group.key.summary)
                point.distances = distances_from(column, point.content, question.comparators)
        if question.other is not None:
            moved = question.other.earlier_ns
            there = [others[group.key] for group in part.groups if group.key in others]
            theirs = self._contents(part.earlier(moved, there), question.other.entity)
            for group, (start, end), point in placed:
                content = theirs.get((group.key, (start - moved, end - moved)))
                point.other_distances = distances_from(
                    column_of(content), point.content, question.comparators
                )
                point.other_count = 0 if content is None else content.count
        return [(group, point) for group, _, point in placed]

    def _contents(self, part: Slice, entity: str) -> Mapping[tuple[Key, Bounds], Content]:
        """Return the content of each window of a slice."""
        bounds, wanted = _wanted(part, cells_of(self._stored, part))
        points = points_of(wanted, Measures(), self._edges.of(entity), whole=True)
        return {
            (group.key, place): point.content
            for (group, place), point in zip(bounds, points, strict=True)
            if point is not None and point.content is not None
        }


def _wanted(part: Slice, cells: Cells) -> tuple[list[tuple[Group, Bounds]], list[Cell]]:
    """Return the windows of a slice in order: group, bounds and samples of each."""
    places, wanted = [], []
    for group in part.groups:
        for bounds, pile in cells.ordered(group.key):
            places.append((group, bounds))
            covered = bounds if part.step_ns is not None else (pile.start_ns, pile.end_ns)
            wanted.append(
                Cell(group.key.summary, group.labels, *covered, pile.payloads, pile.level)
            )
    return places, wanted


def _answer(
    points: Sequence[Placed], levels: Mapping[Level, int], after: Cursor | None
) -> SeriesAnswer:
    series = [
        Series(summary=key.summary, labels=some[0][0].labels, points=[point for _, point in some])
        for key, some in _by_group(points)
    ]
    return SeriesAnswer(
        series=series,
        levels={level: levels[level] for level in LEVELS if levels.get(level)},
        after=after,
    )


def _by_group(points: Iterable[Placed]) -> Iterable[tuple[Key, list[Placed]]]:
    for key, some in groupby(points, key=lambda placed: placed[0].key):
        yield key, list(some)


def _first_of(part: Slice) -> Cursor:
    """Return the cursor that starts at a slice."""
    return Cursor(*part.groups[0].key, part.start_ns)
