"""Series and samples. A stored sample never changes."""

from collections.abc import Sequence
from typing import TypeAlias

from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.levels import Level
from nilometer_collector.store.records import EntityTotals, SeriesRecord, Size, Stretch
from nilometer_collector.store.rows import series_of
from nilometer_collector.store.shipments import SampleRow
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.reading import Question, Reading

SERIES = (
    "id, entity, summary, labels, seen, numbers, categories, samples, first_start_ns, "
    "last_end_ns, longest_window_ns, last_window_ns, last_received_ns"
)
_ADD_SERIES = """
INSERT INTO series (entity, summary, labels, seen, numbers, categories, samples, first_start_ns,
                    last_end_ns, longest_window_ns, last_window_ns, last_received_ns)
VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)
ON CONFLICT (entity, summary, labels) DO UPDATE SET
  seen = min(seen + excluded.seen, 9007199254740992),
  numbers = min(numbers + excluded.numbers, 9007199254740992),
  categories = min(categories + excluded.categories, 9007199254740992),
  samples = samples + 1,
  first_start_ns = min(first_start_ns, excluded.first_start_ns),
  last_end_ns = max(last_end_ns, excluded.last_end_ns),
  longest_window_ns = max(longest_window_ns, excluded.longest_window_ns),
  last_window_ns = excluded.last_window_ns,
  last_received_ns = max(last_received_ns, excluded.last_received_ns)
RETURNING id
"""
# SQLite takes `last_window_ns` from the row of the largest `last_received_ns`.
_TOTALS = """
SELECT entity, summaries, seen, first_start_ns, last_end_ns, last_received_ns, last_window_ns
FROM (SELECT entity, count(*) AS summaries, max(seen) AS seen, min(first_ns) AS first_start_ns,
             max(last_ns) AS last_end_ns
      FROM (SELECT entity, summary, sum(seen) AS seen, min(first_start_ns) AS first_ns,
                   max(last_end_ns) AS last_ns FROM series GROUP BY entity, summary)
      GROUP BY entity)
JOIN (SELECT entity, max(last_received_ns) AS last_received_ns, last_window_ns
      FROM series GROUP BY entity) USING (entity)
ORDER BY entity
"""
_ADD = """
INSERT INTO samples (series, window_start_ns, window_end_ns, stream, sequence, observations,
                     received_ns, payload, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# series, start, end, stream, sequence, observations, time of arrival, payload, checksum
Added: TypeAlias = tuple[int, int, int, int, int, int, int, bytes, int]


class Samples:
    """Reads and adds samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = Reading(database)

    def add(
        self, rows: Sequence[tuple[int, SampleRow]], stream: int, received_ns: int
    ) -> list[Added]:
        """Store *rows*, each with its sequence, and update their series, inside a transaction."""
        added = []
        for sequence, row in rows:
            window = row.window
            length = window.end_ns - window.start_ns
            ((series,),) = self._database.rows(
                _ADD_SERIES,
                (
                    row.entity,
                    row.summary,
                    label_text.to_text(row.labels),
                    row.seen,
                    row.numbers,
                    row.categories,
                    window.start_ns,
                    window.end_ns,
                    length,
                    length,
                    received_ns,
                ),
            )
            added.append(
                (
                    series,
                    window.start_ns,
                    window.end_ns,
                    stream,
                    sequence,
                    row.observations,
                    received_ns,
                    row.payload,
                    checksum(row.payload),
                )
            )
        self._database.execute_many(_ADD, added)
        return added

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        """List the series by name; *entity* and *summary* restrict the list."""
        rows = self._database.rows(
            f"SELECT {SERIES} FROM series WHERE (?1 IS NULL OR entity = ?1) "  # noqa: S608
            "AND (?2 IS NULL OR summary = ?2) ORDER BY entity, summary, labels",
            (entity, summary),
        )
        return [series_of(row) for row in rows]

    def totals(self) -> list[EntityTotals]:
        """List every entity that has samples, by name, without reading the samples."""
        return [EntityTotals(*row) for row in self._database.rows(_TOTALS)]

    def size(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> Size:
        """Return the number and bytes of the samples that `read` returns, at most *limit*."""
        return self._reading.size(series, Question(start_ns, end_ns, limit), level)

    def read(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        """Read samples that overlap [start, end), in any order; log corrupt ones and skip them."""
        question = Question(start_ns, end_ns, limit)
        return self._reading.stretches(series, question, level)

    def read_all(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        most: Size,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        """Read like `read`, but raise `TooLarge` if more than *most* match."""
        question = Question(start_ns, end_ns, most.samples + 1)
        return self._reading.stretches(series, question, level, most=most)
