"""Points of many series that the collector computed."""

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from nilometer.client import drawing
from nilometer.client.answers import Moments, Point, Series
from nilometer.client.columns import Column, Kind, Tabular, named_columns
from nilometer.client.spans import instant

_NAMED = ("quantiles", "cdf", "rates", "statistics", "distances")


class SeriesTable(Sequence[Series], Tabular):
    """Series by summary and labels; each has its points, oldest first. Immutable.

    Args:
        entity: Name of the entity.
        series: Series with their points.
    """

    def __init__(self, entity: str, series: Sequence[Series]) -> None:
        self.entity = entity
        self._series = tuple(series)

    @overload
    def __getitem__(self, index: int) -> Series: ...

    @overload
    def __getitem__(self, index: slice) -> "SeriesTable": ...

    def __getitem__(self, index: int | slice) -> "Series | SeriesTable":
        if isinstance(index, slice):
            return SeriesTable(self.entity, self._series[index])
        return self._series[index]

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self._series)

    def columns(self) -> list[Column]:
        """Return a row for each point: summary, window, labels, count and each value."""
        rows = [(series, point) for series in self._series for point in series.points]
        points = [point for _, point in rows]
        found = [
            Column("summary", Kind.TEXT, [series.summary for series, _ in rows]),
            Column("window_start", Kind.TIME, [instant(one.window_start) for one in points]),
            Column("window_end", Kind.TIME, [instant(one.window_end) for one in points]),
            *named_columns("labels.", [series.labels for series, _ in rows], Kind.TEXT),
            Column("count", Kind.WHOLE, [one.count for one in points]),
        ]
        for name in _NAMED:
            found += named_columns(f"{name}.", [getattr(one, name) for one in points])
        if any(one.moments is not None for one in points):
            for name in Moments.__struct_fields__:
                cells = [getattr(one.moments, name, None) for one in points]
                found.append(Column(name, Kind.NUMBER, cells))
        return found

    def __repr__(self) -> str:
        points = sum(len(series.points) for series in self._series)
        return f"<SeriesTable {self.entity} series={len(self)} points={points}>"

    def _repr_html_(self) -> str:
        shown = first_value(self._series)
        rows = []
        for series in self._series:
            values = values_of(series, shown)
            labels = ", ".join(f"{key}={value}" for key, value in series.labels.items())
            newest = values[-1] if values else None
            count = sum(point.count for point in series.points)
            rows.append(
                (series.summary, labels, drawing.spark(values), drawing.number(newest), count)
            )
        headings = ("summary", "labels", shown, "newest", "count")
        return drawing.figure(self.entity, drawing.table(headings, rows))


def joined(pages: Sequence[Series]) -> list[Series]:
    """Return *pages* with the points of a series that continues on the next page in one series."""
    found: list[Series] = []
    for series in pages:
        before = found[-1] if found else None
        if before is not None and (before.summary, before.labels) == (
            series.summary,
            series.labels,
        ):
            points = [*before.points, *series.points]
            found[-1] = msgspec.structs.replace(before, points=points)
        else:
            found.append(series)
    return found


def first_value(series: Sequence[Series]) -> str:
    """Return the name of the first value of the points, such as ``quantiles.0.5``, or ``count``."""
    for one in series:
        for point in one.points:
            for field in _NAMED:
                for name in getattr(point, field):
                    return f"{field}.{name}"
            if point.moments is not None:
                return "mean"
    return "count"


def values_of(series: Series, name: str) -> list[float | None]:
    """Return the value that `first_value` names, for each point of *series*."""
    return [_value(point, name) for point in series.points]


def _value(point: Point, name: str) -> float | None:
    field, _, key = name.partition(".")
    if field in _NAMED:
        found: float | None = getattr(point, field).get(key)
        return found
    if name == "mean":
        return None if point.moments is None else point.moments.mean
    return float(point.count)
