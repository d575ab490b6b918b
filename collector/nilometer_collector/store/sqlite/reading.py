"""Reads samples of all levels from SQLite, each observation once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

from nilometer.values.window import Window
from nilometer_collector.store.checksum import intact
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, LEVELS, Level
from nilometer_collector.store.protocol import MOST_GROUPS
from nilometer_collector.store.records import Part, SampleRecord, SeriesRecord
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.stale import parts_to_replace

LAST_DAY = (1 << 63) // DAY_NS  # later than any arrival
SIZES, PAYLOADS = "length(payload)", "payload, crc"

# Both tables have the same parameters; time parameters are times, or days of arrival.
_FROM = {
    "samples": "samples WHERE series = ?1 AND ?2 = 0 AND received_ns >= ?5 AND received_ns < ?6",
    "rollups": "rollups WHERE series = ?1 AND level_ns = ?2 AND arrival_day >= ?5 AND arrival_day < ?6",
}
_DAY = {"samples": f"received_ns / {DAY_NS}", "rollups": "arrival_day"}
_OVERLAP = "AND window_start_ns < ?4 AND window_end_ns > ?3"
_SPAN = "AND window_start_ns > ?7"
_PART = (
    "AND window_start_ns BETWEEN ?7 AND ?8 AND (window_end_ns - window_start_ns < ?9 "
    "OR (window_start_ns = ?7 AND window_end_ns = ?10))"
)
_STALE = """
SELECT level_ns, window_start_ns, window_end_ns, arrival_day FROM stale_parts
WHERE series = ? AND level_ns <= ? AND window_start_ns < ? AND window_end_ns > ?
"""

Row: TypeAlias = tuple[Any, ...]  # id, start, end, day of arrival, and the selected columns


class Question(NamedTuple):
    """Samples in [start_ns, end_ns) to read, at most *limit*, and the columns to select."""

    start_ns: int
    end_ns: int
    columns: str
    limit: int


class Reading:
    """Reads samples of one level, and of other levels if it has no data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held_from(self) -> Mapping[Level, int]:
        """Return the first day of arrival that each level contains."""
        rows = self._database.rows("SELECT level_ns, held_from_day FROM levels")
        return {BY_LENGTH[length]: day for length, day in rows}

    def sizes(
        self, series: Sequence[SeriesRecord], question: Question, level: Level
    ) -> list[tuple[int, int, int]]:
        """Return (start, end, bytes) of the samples of *series* that match the question."""
        found: list[tuple[int, int, int]] = []
        for _, _, rows in self._rows(series, question, level, pinned=False):
            found += [(start, end, size) for _, start, end, _, size in rows]
        return found

    def records(
        self, series: Sequence[SeriesRecord], question: Question, level: Level, *, pinned: bool
    ) -> list[SampleRecord]:
        """Return the samples of *series* that match the question, without corrupt ones.

        Args:
            series: Series to read.
            question: Question that selects payloads.
            level: Coarsest level to read from, where all levels have data.
            pinned: Whether *level* contains the whole span, because the span is pinned.
        """
        found: list[SampleRecord] = []
        for one, at, rows in self._rows(series, question, level, pinned=pinned):
            table = table_of(at)
            found += [
                SampleRecord(start, end, payload, one.id, at)
                for identity, start, end, _, payload, crc in rows
                if crc32(payload) == crc or intact(table, identity, payload, crc)
            ]
        return found

    def of_part(self, part: Part, question: Question, order: str = "") -> list[Row]:
        """Return the samples of the finer level from which *part* is merged."""
        days = (part.arrival_day, part.arrival_day + 1)
        values = (part.window.start_ns, part.last_start_ns, part.longest_ns, part.window.end_ns)
        return self._select(
            part.series, part.level.finer, days, question, f"{_PART} {order}", values
        )

    def _rows(
        self, series: Sequence[SeriesRecord], question: Question, level: Level, *, pinned: bool
    ) -> Iterator[tuple[SeriesRecord, Level, list[Row]]]:
        """Yield rows of each series and level, up to the question's limit."""
        held, left = self.held_from(), question.limit
        for one in series:
            for at, rows in self._of_series(
                one, question._replace(limit=left), level, held, pinned=pinned
            ):
                yield one, at, rows[:left]
                left -= min(len(rows), left)
                if not left:
                    return

    def _of_series(
        self,
        one: SeriesRecord,
        question: Question,
        level: Level,
        held: Mapping[Level, int],
        *,
        pinned: bool,
    ) -> Iterator[tuple[Level, list[Row]]]:
        replaced = parts_to_replace(self._stale(one, question, level), level)
        keys = {
            at: {(part.window.start_ns, part.window.end_ns, part.arrival_day) for part in parts}
            for at, parts in replaced.items()
        }
        without = keys.get(level, set())
        days = (0 if pinned else held[level], LAST_DAY)
        more = question._replace(limit=question.limit + MOST_GROUPS * len(without))
        yield level, _kept(self._span(one, level, days, more), without)
        for coarser in LEVELS[LEVELS.index(level) + 1 :]:
            days = (held[coarser], held[coarser.finer])
            if days[0] < days[1] and not pinned:
                yield coarser, self._span(one, coarser, days, question)
        for at, parts in replaced.items():
            without = keys.get(at.finer, set())
            for part in sorted(parts):
                yield at.finer, _kept(self.of_part(part, question), without)

    def _stale(self, one: SeriesRecord, question: Question, level: Level) -> list[Part]:
        if level is Level.SHIPPED:
            return []
        rows = self._database.rows(
            _STALE, (one.id, level.length_ns, question.end_ns, question.start_ns)
        )
        return [
            Part(one.entity, one.id, BY_LENGTH[length], Window(start, end), day)
            for length, start, end, day in rows
        ]

    def _span(
        self, one: SeriesRecord, level: Level, days: tuple[int, int], question: Question
    ) -> list[Row]:
        longest_ns = max(one.longest_window_ns, level.length_ns)
        values = (question.start_ns - longest_ns,)
        return self._select(one.id, level, days, question, _SPAN, values)

    def _select(
        self,
        series: int,
        level: Level,
        days: tuple[int, int],
        question: Question,
        where: str,
        values: tuple[int, ...],
    ) -> list[Row]:
        table = table_of(level)
        unit = DAY_NS if level is Level.SHIPPED else 1
        return self._database.rows(
            f"SELECT id, window_start_ns, window_end_ns, {_DAY[table]}, {question.columns} "  # noqa: S608
            f"FROM {_FROM[table]} {_OVERLAP} {where} LIMIT {question.limit}",
            (
                series,
                level.length_ns,
                question.start_ns,
                question.end_ns,
                days[0] * unit,
                days[1] * unit,
                *values,
            ),
        )


def table_of(level: Level) -> str:
    """Return the table that contains *level*."""
    return "samples" if level is Level.SHIPPED else "rollups"


def _kept(rows: list[Row], without: set[tuple[int, int, int]]) -> list[Row]:
    """Return the *rows* whose window and day of arrival are not in *without*."""
    return [row for row in rows if row[1:4] not in without] if without else rows
