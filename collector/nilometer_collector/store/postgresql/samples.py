"""Series and samples in PostgreSQL. A stored sample never changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.levels import Level, arrival_day
from nilometer_collector.store.postgresql.copying import packed_rows
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.reading import Question, size, stretches
from nilometer_collector.store.postgresql.series_ids import NewSeries, SeriesIds, SeriesKey
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import (
    EntityTotals,
    SampleRow,
    SeriesRecord,
    Size,
    Stretch,
)
from nilometer_collector.store.rows import series_of
from nilometer_collector.store.stale import due_ns

LARGEST_SUM = 1 << 53  # a sum stops here, because JSON readers have no larger integers

_SERIES = """
SELECT id, entity, summary, labels_text, seen, numbers, categories, samples, first_start_ns,
       last_end_ns, longest_window_ns, last_window_ns, last_received_ns
FROM series_now WHERE (%(entity)s::text IS NULL OR entity = %(entity)s)
  AND (%(summary)s::text IS NULL OR summary = %(summary)s)
ORDER BY entity, summary, labels_text
"""
_TOTALS = """
SELECT entity, count(*), max(seen)::bigint, min(first_ns), max(last_ns), max(received_ns),
       (array_agg(window_ns ORDER BY received_ns DESC, window_ns DESC))[1]
FROM (SELECT entity, sum(seen) AS seen, min(first_start_ns) AS first_ns,
             max(last_end_ns) AS last_ns, max(last_received_ns) AS received_ns,
             (array_agg(last_window_ns ORDER BY last_received_ns DESC))[1] AS window_ns
      FROM series_now GROUP BY entity, summary) AS of_summaries
GROUP BY entity ORDER BY entity COLLATE "C"
"""
_COPY = """
COPY samples (entity, series, window_start_ns, window_end_ns, stream, sequence, observations,
              received_ns, crc, payload) FROM STDIN (FORMAT BINARY)
"""
_ADDITIONS = """
COPY additions (entity, series, window_start_ns, window_end_ns, arrival_day, due_ns, received_ns, seen,
                numbers, categories, samples, first_start_ns, last_end_ns, longest_window_ns,
                last_window_ns, sequence) FROM STDIN (FORMAT BINARY)
"""
_ARRIVALS = """
INSERT INTO arrivals (stream, arrival_day, rows, bytes) VALUES (%(stream)s, %(day)s, %(rows)s, %(bytes)s)
ON CONFLICT (stream, arrival_day) DO UPDATE SET
  rows = arrivals.rows + excluded.rows, bytes = arrivals.bytes + excluded.bytes
"""


@dataclass(slots=True)
class _Addition:
    """What a shipment adds to a 5-minute window of a series."""

    seen: int
    numbers: int
    categories: int
    samples: int
    first_start_ns: int
    last_end_ns: int
    longest_window_ns: int
    last_window_ns: int
    sequence: int

    def add(self, other: Self) -> None:
        """Add a later addition of the same shipment."""
        self.seen = min(self.seen + other.seen, LARGEST_SUM)
        self.numbers = min(self.numbers + other.numbers, LARGEST_SUM)
        self.categories = min(self.categories + other.categories, LARGEST_SUM)
        self.samples += other.samples
        self.first_start_ns = min(self.first_start_ns, other.first_start_ns)
        self.last_end_ns = max(self.last_end_ns, other.last_end_ns)
        self.longest_window_ns = max(self.longest_window_ns, other.longest_window_ns)
        self.last_window_ns, self.sequence = other.last_window_ns, other.sequence


class Samples:
    """Reads and adds samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids = SeriesIds()

    def add(
        self, session: Session, rows: Sequence[tuple[int, SampleRow]], stream: int, now_ns: int
    ) -> None:
        """Store *rows*, by ascending sequence, inside a transaction.

        No row of another shipment is locked, except while both create the same series.
        """
        keys: list[SeriesKey] = []
        series: dict[SeriesKey, NewSeries] = {}
        added: dict[tuple[SeriesKey, int, int], _Addition] = {}
        for sequence, row in rows:
            sample, window = row.sample, row.sample.window
            start_ns, end_ns = window.start_ns, window.end_ns
            key = SeriesKey(sample.entity, sample.summary, label_text.digest_of(sample.labels))
            keys.append(key)
            if key not in series:
                series[key] = NewSeries(sample.labels, start_ns)
            numbers, categories = sample.content.type_counts
            length_ns = end_ns - start_ns
            addition = _Addition(
                min(sample.coverage.seen, LARGEST_SUM),
                min(numbers, LARGEST_SUM),
                min(categories, LARGEST_SUM),
                1,
                start_ns,
                end_ns,
                length_ns,
                length_ns,
                sequence,
            )
            place = (key, *Level.FIVE_MINUTES.bounds_of(start_ns, end_ns))
            if place in added:
                added[place].add(addition)
            else:
                added[place] = addition
        ids = self._ids.of(session, series)
        payloads = [row.payload for _, row in rows]
        windows = [row.sample.window for _, row in rows]
        samples = packed_rows(
            [key.entity for key in keys],
            (
                [ids[key] for key in keys],
                [window.start_ns for window in windows],
                [window.end_ns for window in windows],
                stream,
                [sequence for sequence, _ in rows],
                [row.sample.content.count for _, row in rows],
                now_ns,
                list(map(checksum, payloads)),
            ),
            payloads,
        )
        session.copy(_COPY, samples)
        day = arrival_day(now_ns)
        size = sum(map(len, payloads))
        session.execute(_ARRIVALS, {"stream": stream, "day": day, "rows": len(rows), "bytes": size})
        session.copy(_ADDITIONS, _packed(added, ids, day, now_ns))

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        """List the series by name; *entity* and *summary* restrict the list."""
        asked = {"entity": entity, "summary": summary}
        return [
            series_of(row)
            for row in self._database.read(lambda session: session.rows(_SERIES, asked))
        ]

    def totals(self) -> list[EntityTotals]:
        """List every entity that has samples, by name, without reading the samples."""
        rows = self._database.read(lambda session: session.rows(_TOTALS))
        return [EntityTotals(*row) for row in rows]

    def size(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> Size:
        """Return the number and bytes of the samples that `read` returns, at most *limit*."""
        question = Question(start_ns, end_ns, limit)
        return self._database.read(lambda session: size(session, series, question, level))

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
        return self._database.read(
            lambda session: stretches(session, series, question, level, pinned=False)
        )


def _packed(
    added: Mapping[tuple[SeriesKey, int, int], _Addition],
    ids: Mapping[SeriesKey, int],
    day: int,
    now_ns: int,
) -> bytes:
    """Return the rows of the additions; each marks its window as stale."""
    ends = [end_ns for _, _, end_ns in added]
    due = {end_ns: due_ns(Level.FIVE_MINUTES, end_ns, now_ns) for end_ns in set(ends)}
    additions = list(added.values())
    return packed_rows(
        [key.entity for key, _, _ in added],
        (
            [ids[key] for key, _, _ in added],
            [start_ns for _, start_ns, _ in added],
            ends,
            day,
            [due[end_ns] for end_ns in ends],
            now_ns,
            [one.seen for one in additions],
            [one.numbers for one in additions],
            [one.categories for one in additions],
            [one.samples for one in additions],
            [one.first_start_ns for one in additions],
            [one.last_end_ns for one in additions],
            [one.longest_window_ns for one in additions],
            [one.last_window_ns for one in additions],
            [one.sequence for one in additions],
        ),
    )
