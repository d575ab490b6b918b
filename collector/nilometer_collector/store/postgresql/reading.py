"""Reads samples of all levels from PostgreSQL, each observation once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple, TypeAlias

from psycopg import sql

from nilometer.values.window import Window
from nilometer_collector.store.checksum import intact
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, LEVELS, Level
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.protocol import MOST_GROUPS
from nilometer_collector.store.records import Part, SampleRecord, SeriesRecord
from nilometer_collector.store.stale import parts_to_replace

LAST_DAY = (1 << 63) // DAY_NS  # later than any arrival
SIZES: LiteralString = "octet_length(payload)"
PAYLOADS: LiteralString = "payload, crc"

_SELECT = sql.SQL("""
SELECT stored.series, window_start_ns, window_end_ns, stored.arrival_day, {columns}
FROM ({stored}) AS stored {joined} WHERE window_start_ns < %(end)s AND window_end_ns > %(start)s
{rest} LIMIT %(limit)s OFFSET %(offset)s
""")
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
FROM marks WHERE series = ANY(%(ids)s::bigint[])
  AND window_start_ns < %(end)s AND window_end_ns > %(start)s
"""

Row: TypeAlias = tuple[Any, ...]  # series, start, end, day of arrival, and the selected columns


class Question(NamedTuple):
    """Samples in [start_ns, end_ns) to read, at most *limit*, and the columns to select."""

    start_ns: int
    end_ns: int
    columns: LiteralString
    limit: int


def held_from(session: Session) -> Mapping[Level, int]:
    """Return the first day of arrival that each level contains."""
    rows = session.rows("SELECT level_ns, held_from_day FROM levels")
    return {BY_LENGTH[length]: day for length, day in rows}


def sizes(
    session: Session, series: Sequence[SeriesRecord], question: Question, level: Level
) -> list[tuple[int, int, int]]:
    """Return (start, end, bytes) of the samples of *series* that match the question."""
    found: list[tuple[int, int, int]] = []
    for _, rows in _rows(session, series, question, level, pinned=False):
        found += [(start, end, size) for _, start, end, _, size in rows]
    return found


def records(
    session: Session,
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
    *,
    pinned: bool,
) -> list[SampleRecord]:
    """Return the samples of *series* that match the question, without corrupt ones.

    Args:
        session: Session to read with.
        series: Series to read.
        question: Question that selects payloads.
        level: Coarsest level to read from, where all levels have data.
        pinned: Whether *level* contains the whole span, because the span is pinned.
    """
    found: list[SampleRecord] = []
    for at, rows in _rows(session, series, question, level, pinned=pinned):
        table = table_of(at)
        found += [
            SampleRecord(start, end, payload, identity, at)
            for identity, start, end, _, payload, crc in rows
            if intact(table, identity, payload, crc)
        ]
    return found


def of_parts(
    session: Session,
    parts: Sequence[Part],
    question: Question,
    rest: LiteralString = "",
    offset: int = 0,
) -> list[Row]:
    """Return the samples of the finer level from which *parts*, all of one level, are merged.

    Args:
        session: Session to read with.
        parts: Parts of one level.
        question: Span, columns and limit.
        rest: Clauses after the conditions; ``asked.part`` is the index in *parts*, from 1.
        offset: Number of rows to skip.
    """
    days = [part.arrival_day for part in parts]
    values: dict[str, object] = {
        "entities": [part.entity for part in parts],
        "ids": [part.series for part in parts],
        "starts": [part.window.start_ns for part in parts],
        "lasts": [part.last_start_ns for part in parts],
        "longest": [part.longest_ns for part in parts],
        "ends": [part.window.end_ns for part in parts],
        "days": days,
        "offset": offset,
    }
    level = parts[0].level.finer
    return _select(session, level, (min(days), max(days) + 1), question, _PARTS, rest, values)


def table_of(level: Level) -> str:
    """Return the table that contains *level*."""
    return "samples" if level is Level.SHIPPED else "rollups"


def _rows(
    session: Session,
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
    *,
    pinned: bool,
) -> Iterator[tuple[Level, list[Row]]]:
    """Yield rows of each level, up to the question's limit."""
    left = question.limit
    for at, rows in _of_levels(session, series, question, level, pinned=pinned):
        yield at, rows[:left]
        left -= min(len(rows), left)
        if not left:
            return


def _of_levels(
    session: Session,
    series: Sequence[SeriesRecord],
    question: Question,
    level: Level,
    *,
    pinned: bool,
) -> Iterator[tuple[Level, list[Row]]]:
    held = held_from(session)
    replaced = parts_to_replace(_stale(session, series, question, level), level)
    keys = {
        at: {
            (part.series, part.window.start_ns, part.window.end_ns, part.arrival_day)
            for part in parts
        }
        for at, parts in replaced.items()
    }
    without = keys.get(level, set())
    days = (0 if pinned else held[level], LAST_DAY)
    more = question._replace(limit=question.limit + MOST_GROUPS * len(without))
    yield level, _kept(_spans(session, series, level, days, more), without)
    for coarser in LEVELS[LEVELS.index(level) + 1 :]:
        days = (held[coarser], held[coarser.finer])
        if days[0] < days[1] and not pinned:
            yield coarser, _spans(session, series, coarser, days, question)
    for at, parts in replaced.items():
        if parts:
            without = keys.get(at.finer, set())
            more = question._replace(limit=question.limit + MOST_GROUPS * len(without))
            yield at.finer, _kept(of_parts(session, sorted(parts), more), without)


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


def _spans(
    session: Session,
    series: Sequence[SeriesRecord],
    level: Level,
    days: tuple[int, int],
    question: Question,
) -> list[Row]:
    after = [question.start_ns - max(one.longest_window_ns, level.length_ns) for one in series]
    values: dict[str, object] = {
        "entities": [one.entity for one in series],
        "ids": [one.id for one in series],
        "after": after,
        "offset": 0,
    }
    return _select(session, level, days, question, _SPANS, "", values)


def _select(
    session: Session,
    level: Level,
    days: tuple[int, int],
    question: Question,
    joined: sql.SQL,
    rest: LiteralString,
    values: dict[str, object],
) -> list[Row]:
    is_shipped = level is Level.SHIPPED
    unit = DAY_NS if is_shipped else 1
    asked = {
        **values,
        "level": level.length_ns,
        "first": days[0] * unit,
        "end_of_days": days[1] * unit,
        "start": question.start_ns,
        "end": question.end_ns,
        "limit": question.limit,
    }
    statement = _SELECT.format(
        columns=sql.SQL(question.columns),
        stored=_SHIPPED if is_shipped else _ROLLED_UP,
        joined=joined,
        rest=sql.SQL(rest),
    )
    return session.rows(statement, asked)


def _kept(rows: list[Row], without: set[tuple[int, int, int, int]]) -> list[Row]:
    """Return the *rows* whose series, window and day of arrival are not in *without*."""
    return [row for row in rows if row[:4] not in without] if without else rows
