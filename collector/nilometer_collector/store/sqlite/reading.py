"""Reads samples of all levels from SQLite, each observation once."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from nilometer.values.window import Window
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, LEVELS, Level
from nilometer_collector.store.records import Part, SeriesRecord, Size, Stretch, TooLarge
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.stale import parts_to_replace
from nilometer_collector.store.stretches import stretches_of

LAST_DAY = (1 << 63) // DAY_NS  # no arrival is later

# A cross join keeps this order: each thing that is asked for is found by series and start.
_FROM = """
FROM {asked} CROSS JOIN {table} AS stored
WHERE stored.series = asked.id AND {level} window_start_ns < ?6 AND window_end_ns > ?5
  AND {days} {matching}
"""
_DAYS = "{day} >= ?3 AND {day} < ?4 AND"
_EVERY_DAY = (0, LAST_DAY)
_LEVEL = {"samples": "", "rollups": "level_ns = ?2 AND"}
# The plus keeps SQLite from the index of days, which is for retention.
_DAY = {"samples": f"received_ns / {DAY_NS}", "rollups": "+arrival_day"}
_SERIES = """(
  SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS after_ns
  FROM json_each(?1)) AS asked"""
_SPAN = "window_start_ns > asked.after_ns"
_PARTS = """(
  SELECT key AS part, json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS first_ns,
         json_extract(value, '$[2]') AS last_ns, json_extract(value, '$[3]') AS longest_ns,
         json_extract(value, '$[4]') AS end_ns, json_extract(value, '$[5]') AS day
  FROM json_each(?1)) AS asked"""
_PART = """
window_start_ns BETWEEN asked.first_ns AND asked.last_ns AND {day} = asked.day
AND (window_end_ns - window_start_ns < asked.longest_ns
     OR (window_start_ns = asked.first_ns AND window_end_ns = asked.end_ns))
"""
_WITHOUT = """
AND (stored.series, window_start_ns, window_end_ns, {day}) NOT IN (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
         json_extract(value, '$[3]') FROM json_each(?7))
"""
_STALE = """
SELECT series.entity, series, level_ns, window_start_ns, window_end_ns, arrival_day
FROM json_each(?1) AS asked CROSS JOIN stale_parts ON stale_parts.series = asked.value
JOIN series ON series.id = stale_parts.series
WHERE level_ns <= ?2 AND window_start_ns < ?4 AND window_end_ns > ?3
"""

Row: TypeAlias = tuple[Any, ...]

_PAYLOAD = itemgetter(3)  # of a row that `stretches_of` takes


class Question(NamedTuple):
    """Samples of [start_ns, end_ns) to read, at most *limit*."""

    start_ns: int
    end_ns: int
    limit: int


EVERYTHING = Question(0, 1 << 62, -1)


class _Selection(NamedTuple):
    """Samples of one level: the statement from FROM on, and its values 1 to 7."""

    level: Level
    rest: str
    values: tuple[int | str, ...]


class Reading:
    """Reads samples of one level, and of other levels if it has no data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held_from(self) -> Mapping[Level, int]:
        """Return the first day of arrival that each level contains."""
        rows = self._database.rows("SELECT level_ns, held_from_day FROM levels")
        return {BY_LENGTH[length]: day for length, day in rows}

    def size(self, series: Sequence[SeriesRecord], question: Question, level: Level) -> Size:
        """Return the number and bytes of the samples of *series* that the question asks for."""
        samples = size = 0
        for selection in self._selections(series, question, level):
            ((more, added),) = self._database.rows(
                "SELECT count(*), coalesce(sum(size), 0) FROM ("  # noqa: S608
                f"SELECT length(payload) AS size {selection.rest} LIMIT ?8)",
                (*selection.values, question.limit - samples),
            )
            samples += more
            size += added
        return Size(samples, size)

    def stretches(
        self,
        series: Sequence[SeriesRecord],
        question: Question,
        level: Level,
        *,
        most: Size | None = None,
    ) -> list[Stretch]:
        """Return the samples of *series* that the question asks for; leave out corrupt ones.

        Args:
            series: Series to read.
            question: Span and limit.
            level: Coarsest level to read where all levels hold the span.
            most: Largest number of samples and of their bytes; None if only the limit holds.

        Raises:
            TooLarge: If more than *most* match.
        """
        found: list[Stretch] = []
        left = question.limit
        size = Size(0, 0)

        def check(part: Sequence[Row]) -> None:
            nonlocal size
            size = size.plus(Size(len(part), sum(map(len, map(_PAYLOAD, part)))))
            if most is not None and not size.fits(most):
                raise TooLarge(size)

        for selection in self._selections(series, question, level):
            rows = self._database.rows_in_parts(
                "SELECT stored.series, window_start_ns, window_end_ns, payload, crc "
                f"{selection.rest} LIMIT ?8",
                (*selection.values, left),
                check,
            )
            found += stretches_of(rows, table_of(selection.level), selection.level)
            left -= len(rows)
        return found

    def of_parts(self, parts: Sequence[Part], columns: str, order: str) -> list[Row]:
        """Return *columns* of the samples that *parts*, which are of one level, are merged from.

        Args:
            parts: Parts of one level.
            columns: Columns to select; ``part`` is the position in *parts*, from 0.
            order: Columns to sort by.
        """
        selection = _of_parts(parts, EVERYTHING, frozenset())
        return self._database.rows(
            f"SELECT {columns} {selection.rest} ORDER BY {order} LIMIT ?8",
            (*selection.values, EVERYTHING.limit),
        )

    def _selections(
        self, series: Sequence[SeriesRecord], question: Question, level: Level
    ) -> Iterator[_Selection]:
        """Yield what to read of each level."""
        held = self.held_from()
        replaced = parts_to_replace(self._stale(series, question, level), level)
        days = (held[level], LAST_DAY)
        yield _of_series(series, question, level, days, replaced.get(level, frozenset()))
        for coarser in LEVELS[LEVELS.index(level) + 1 :]:
            days = (held[coarser], held[coarser.finer])
            if days[0] < days[1]:
                yield _of_series(series, question, coarser, days, frozenset())
        for at, parts in replaced.items():
            if parts:
                yield _of_parts(sorted(parts), question, replaced.get(at.finer, frozenset()))

    def _stale(
        self, series: Sequence[SeriesRecord], question: Question, level: Level
    ) -> list[Part]:
        if level is Level.SHIPPED:
            return []
        ids = json.dumps([one.id for one in series])
        rows = self._database.rows(
            _STALE, (ids, level.length_ns, question.start_ns, question.end_ns)
        )
        return [
            Part(entity, identity, BY_LENGTH[length], Window(start, end), day)
            for entity, identity, length, start, end, day in rows
        ]


def table_of(level: Level) -> str:
    """Return the table that contains *level*."""
    return "samples" if level is Level.SHIPPED else "rollups"


def _of_series(
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
    days: tuple[int, int],
    without: Collection[Part],
) -> _Selection:
    """Return what to read of *level* of samples that arrived on *days*, *without* some parts."""
    asked = [
        (one.id, question.start_ns - max(one.longest_window_ns, level.length_ns)) for one in series
    ]
    return _selection(_SERIES, _SPAN, json.dumps(asked), question, level, days, without)


def _of_parts(parts: Sequence[Part], question: Question, without: Collection[Part]) -> _Selection:
    """Return what to read of the finer level of *parts*, *without* some parts of that level."""
    asked = [
        (
            part.series,
            part.window.start_ns,
            part.last_start_ns,
            part.longest_ns,
            part.window.end_ns,
            part.arrival_day,
        )
        for part in parts
    ]
    days, level = _EVERY_DAY, parts[0].level.finer
    return _selection(_PARTS, _PART, json.dumps(asked), question, level, days, without)


def _selection(
    asked: str,
    matching: str,
    json_asked: str,
    question: Question,
    level: Level,
    days: tuple[int, int],
    without: Collection[Part],
) -> _Selection:
    table = table_of(level)
    day = _DAY[table]
    rest = _FROM.format(
        asked=asked,
        table=table,
        level=_LEVEL[table],
        days="" if days == _EVERY_DAY else _DAYS.format(day=day),
        matching=matching.format(day=day) + (_WITHOUT.format(day=day) if without else ""),
    )
    keys = [
        (one.series, one.window.start_ns, one.window.end_ns, one.arrival_day) for one in without
    ]
    span = (question.start_ns, question.end_ns)
    return _Selection(level, rest, (json_asked, level.length_ns, *days, *span, json.dumps(keys)))
