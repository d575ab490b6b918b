"""Reads samples of all levels from PostgreSQL, each observation once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple, TypeAlias

from psycopg import sql

from nilometer.values.window import Window
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, LEVELS, Level
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import Part, SeriesRecord, Size, Stretch
from nilometer_collector.store.stale import parts_to_replace
from nilometer_collector.store.stretches import stretches_of

LAST_DAY = (1 << 63) // DAY_NS  # no arrival is later
MOST_ROWS = 1 << 40  # no limit

_SIZES: LiteralString = "octet_length(payload) AS size"
_SAMPLES: LiteralString = "stored.series, window_start_ns, window_end_ns, payload, crc"

_SELECT = sql.SQL("""
SELECT {columns} FROM ({stored}) AS stored {joined}
WHERE window_start_ns < %(end)s AND window_end_ns > %(start)s {without}
{rest} LIMIT %(limit)s OFFSET %(offset)s
""")
_WITHOUT = sql.SQL("""
AND (stored.series, window_start_ns, window_end_ns, stored.arrival_day) NOT IN (
  SELECT * FROM unnest(%(without_ids)s::bigint[], %(without_starts)s::bigint[],
                       %(without_ends)s::bigint[], %(without_days)s::bigint[]))
""")
_COUNT = sql.SQL("SELECT count(*), coalesce(sum(size), 0)::bigint FROM ({selected}) AS selected")
_SHIPPED = sql.SQL("""
SELECT entity, series, window_start_ns, window_end_ns, received_ns / 86400000000000 AS arrival_day,
       stream, sequence AS number, payload, crc
FROM samples WHERE received_ns >= %(first)s AND received_ns < %(end_of_days)s
""")
_ROLLED_UP = sql.SQL("""
SELECT entity, series, window_start_ns, window_end_ns, arrival_day, 0 AS stream, number, payload, crc
FROM rollups WHERE level_ns = %(level)s AND arrival_day >= %(first)s AND arrival_day < %(end_of_days)s
""")
_SPANS = sql.SQL("""
JOIN unnest(%(entities)s::text[], %(ids)s::bigint[], %(after)s::bigint[]) AS asked (name, id, after_ns)
  ON stored.entity = asked.name AND stored.series = asked.id AND window_start_ns > asked.after_ns
""")
_PARTS = sql.SQL("""
JOIN unnest(%(entities)s::text[], %(ids)s::bigint[], %(starts)s::bigint[], %(lasts)s::bigint[],
            %(longest)s::bigint[], %(ends)s::bigint[], %(days)s::bigint[]) WITH ORDINALITY
       AS asked (name, id, first_ns, last_ns, longest_ns, end_ns, day, part)
  ON stored.entity = asked.name AND stored.series = asked.id
 AND window_start_ns BETWEEN asked.first_ns AND asked.last_ns AND stored.arrival_day = asked.day
 AND (window_end_ns - window_start_ns < asked.longest_ns
      OR (window_start_ns = asked.first_ns AND window_end_ns = asked.end_ns))
""")
_STALE = """
SELECT entity, series, level_ns, window_start_ns, window_end_ns, arrival_day
FROM unnest(%(entities)s::text[], %(ids)s::bigint[]) AS asked (name, id)
JOIN stale_parts ON entity = asked.name AND series = asked.id
WHERE level_ns <= %(level)s AND window_start_ns < %(end)s AND window_end_ns > %(start)s
UNION
SELECT entity, series, 300000000000, window_start_ns, window_end_ns, arrival_day
FROM waiting_additions
WHERE entity = ANY(%(entities)s::text[]) AND series = ANY(%(ids)s::bigint[])
  AND window_start_ns < %(end)s AND window_end_ns > %(start)s
"""

Row: TypeAlias = tuple[Any, ...]


class Question(NamedTuple):
    """Samples of [start_ns, end_ns) to read, at most *limit*."""

    start_ns: int
    end_ns: int
    limit: int


EVERYTHING = Question(0, 1 << 62, MOST_ROWS)


class _Selection(NamedTuple):
    """Samples of one level, and the values of the statement that selects them."""

    level: Level
    joined: sql.SQL
    values: dict[str, object]
    is_partial: bool  # whether some parts are left out

    def statement(self, columns: LiteralString, rest: LiteralString = "") -> sql.Composed:
        """Return the statement that selects *columns*, with the clauses *rest*."""
        return _SELECT.format(
            columns=sql.SQL(columns),
            stored=_SHIPPED if self.level is Level.SHIPPED else _ROLLED_UP,
            joined=self.joined,
            without=_WITHOUT if self.is_partial else sql.SQL(""),
            rest=sql.SQL(rest),
        )


def held_from(session: Session) -> Mapping[Level, int]:
    """Return the first day of arrival that each level contains."""
    rows = session.rows("SELECT level_ns, held_from_day FROM levels")
    return {BY_LENGTH[length]: day for length, day in rows}


def size(
    session: Session, series: Sequence[SeriesRecord], question: Question, level: Level
) -> Size:
    """Return the number and bytes of the samples of *series* that the question asks for."""
    samples = held = 0
    for selection in _selections(session, series, question, level):
        statement = _COUNT.format(selected=selection.statement(_SIZES))
        asked = {**selection.values, "limit": question.limit - samples}
        ((more, added),) = session.rows(statement, asked)
        samples += more
        held += added
    return Size(samples, held)


def stretches(
    session: Session,
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
) -> list[Stretch]:
    """Return the samples of *series* that the question asks for; leave out corrupt ones.

    Args:
        session: Session to read with.
        series: Series to read.
        question: Span and limit.
        level: Coarsest level to read where all levels hold the span.
    """
    found: list[Stretch] = []
    left = question.limit
    for selection in _selections(session, series, question, level):
        asked = {**selection.values, "limit": left}
        rows = session.rows(selection.statement(_SAMPLES), asked)
        found += stretches_of(rows, table_of(selection.level), selection.level)
        left -= len(rows)
    return found


def of_parts(
    session: Session,
    parts: Sequence[Part],
    columns: LiteralString,
    rest: LiteralString,
    offset: int = 0,
    limit: int = MOST_ROWS,
) -> list[Row]:
    """Return the samples of the finer level from which *parts*, all of one level, are merged.

    Args:
        session: Session to read with.
        parts: Parts of one level.
        columns: Columns to select.
        rest: Clauses after the conditions; ``asked.part`` is the position in *parts*, from 1.
        offset: Number of rows to leave out.
        limit: Largest number of rows.
    """
    selection = _of_parts(parts, EVERYTHING, frozenset())
    asked = {**selection.values, "offset": offset, "limit": limit}
    return session.rows(selection.statement(columns, rest), asked)


def table_of(level: Level) -> str:
    """Return the table that contains *level*."""
    return "samples" if level is Level.SHIPPED else "rollups"


def _selections(
    session: Session,
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
) -> Iterator[_Selection]:
    """Yield what to read of each level."""
    held = held_from(session)
    replaced = parts_to_replace(_stale(session, series, question, level), level)
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
    session: Session, series: Sequence[SeriesRecord], question: Question, level: Level
) -> list[Part]:
    if level is Level.SHIPPED:
        return []
    values = {
        "entities": [one.entity for one in series],
        "ids": [one.id for one in series],
        "level": level.length_ns,
        "start": question.start_ns,
        "end": question.end_ns,
    }
    return [
        Part(entity, identity, BY_LENGTH[length], Window(start, end), day)
        for entity, identity, length, start, end, day in session.rows(_STALE, values)
    ]


def _of_series(
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
    days: tuple[int, int],
    without: Collection[Part],
) -> _Selection:
    """Return what to read of *level* of samples that arrived on *days*, *without* some parts."""
    after = [question.start_ns - max(one.longest_window_ns, level.length_ns) for one in series]
    values: dict[str, object] = {
        "entities": [one.entity for one in series],
        "ids": [one.id for one in series],
        "after": after,
    }
    return _selection(_SPANS, values, question, level, days, without)


def _of_parts(parts: Sequence[Part], question: Question, without: Collection[Part]) -> _Selection:
    """Return what to read of the finer level of *parts*, *without* some parts of that level."""
    days = [part.arrival_day for part in parts]
    values: dict[str, object] = {
        "entities": [part.entity for part in parts],
        "ids": [part.series for part in parts],
        "starts": [part.window.start_ns for part in parts],
        "lasts": [part.last_start_ns for part in parts],
        "longest": [part.longest_ns for part in parts],
        "ends": [part.window.end_ns for part in parts],
        "days": days,
    }
    level, span = parts[0].level.finer, (min(days), max(days) + 1)
    return _selection(_PARTS, values, question, level, span, without)


def _selection(
    joined: sql.SQL,
    values: Mapping[str, object],
    question: Question,
    level: Level,
    days: tuple[int, int],
    without: Collection[Part],
) -> _Selection:
    unit = DAY_NS if level is Level.SHIPPED else 1
    asked = {
        **values,
        "level": level.length_ns,
        "first": days[0] * unit,
        "end_of_days": days[1] * unit,
        "start": question.start_ns,
        "end": question.end_ns,
        "offset": 0,
        "without_ids": [one.series for one in without],
        "without_starts": [one.window.start_ns for one in without],
        "without_ends": [one.window.end_ns for one in without],
        "without_days": [one.arrival_day for one in without],
    }
    return _Selection(level, joined, asked, is_partial=bool(without))
