"""Series and samples in PostgreSQL. A stored sample never changes."""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import LiteralString

from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.levels import Level, arrival_day
from nilometer_collector.store.postgresql.arrays import Bigints, Texts
from nilometer_collector.store.postgresql.copying import packed_rows
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.reading import Question, size, stretches
from nilometer_collector.store.postgresql.series_ids import SeriesIds, SeriesKey
from nilometer_collector.store.postgresql.series_now import SERIES_NOW
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import (
    EntityTotals,
    SeriesRecord,
    Size,
    Stretch,
    TooLarge,
)
from nilometer_collector.store.rows import series_of
from nilometer_collector.store.shipments import SampleRow
from nilometer_collector.store.stale import due_ns

_EVERY = {"entity": None, "summary": None}
LARGEST_SUM = 1 << 53  # a sum stops here, because JSON readers have no larger integers

_SERIES: LiteralString = f"""
SELECT id, entity, summary, labels_text, seen, numbers, categories, samples, first_start_ns,
       last_end_ns, longest_window_ns, last_window_ns, last_received_ns
FROM ({SERIES_NOW}) AS series_now
ORDER BY entity, summary, labels_text
"""  # noqa: S608
_TOTALS: LiteralString = f"""
SELECT entity, count(*), max(seen)::bigint, min(first_ns), max(last_ns), max(received_ns),
       (array_agg(window_ns ORDER BY received_ns DESC, window_ns DESC))[1]
FROM (SELECT entity, sum(seen) AS seen, min(first_start_ns) AS first_ns,
             max(last_end_ns) AS last_ns, max(last_received_ns) AS received_ns,
             (array_agg(last_window_ns ORDER BY last_received_ns DESC))[1] AS window_ns
      FROM ({SERIES_NOW}) AS series_now GROUP BY entity, summary) AS of_summaries
GROUP BY entity ORDER BY entity COLLATE "C"
"""  # noqa: S608
_COPY = """
COPY samples (entity, series, window_start_ns, window_end_ns, stream, sequence, observations,
              received_ns, crc, payload) FROM STDIN (FORMAT BINARY)
"""
# One row for each entity and window; its samples are elements *first* to *last* of the arrays.
_ADDITIONS = """
INSERT INTO shipped_additions (entity, window_start_ns, window_end_ns, arrival_day, due_ns, received_ns,
                               start_ns, end_ns, rows, series, sequences, seen, numbers, categories)
SELECT entity, window_start_ns, window_end_ns, %(day)s, due_ns, %(now)s, start_ns, end_ns,
       last - first + 1, all_series[first:last], all_sequences[first:last], all_seen[first:last],
       all_numbers[first:last], all_categories[first:last]
FROM (SELECT %(series)s AS all_series, %(sequences)s AS all_sequences, %(seen)s AS all_seen,
             %(numbers)s AS all_numbers, %(categories)s AS all_categories OFFSET 0) AS samples,
     unnest(%(entities)s, %(window_starts)s, %(window_ends)s, %(due)s, %(starts)s, %(ends)s,
            %(firsts)s, %(lasts)s)
     AS place (entity, window_start_ns, window_end_ns, due_ns, start_ns, end_ns, first, last)
"""
_ARRIVALS = """
INSERT INTO arrivals (stream, arrival_day, rows, bytes) VALUES (%(stream)s, %(day)s, %(rows)s, %(bytes)s)
ON CONFLICT (stream, arrival_day) DO UPDATE SET
  rows = arrivals.rows + excluded.rows, bytes = arrivals.bytes + excluded.bytes
"""


def _additions(
    rows: Sequence[tuple[int, SampleRow]], ids: Sequence[int], now_ns: int
) -> dict[str, object]:
    """Return the values of `_ADDITIONS` for *rows*, whose series are *ids*."""
    level = Level.FIVE_MINUTES
    samples = [row for _, row in rows]
    places: dict[tuple[str, int, int], list[int]] = {}
    for at, row in enumerate(samples):
        window = row.window
        places.setdefault((row.entity, window.start_ns, window.end_ns), []).append(at)
    order = list(chain.from_iterable(places.values()))
    bounds = [level.bounds_of(start_ns, end_ns) for _, start_ns, end_ns in places]
    lasts = list(accumulate(map(len, places.values())))
    return {
        "entities": Texts([entity for entity, _, _ in places]),
        "window_starts": Bigints([start_ns for start_ns, _ in bounds]),
        "window_ends": Bigints([end_ns for _, end_ns in bounds]),
        "due": Bigints([due_ns(level, end_ns, now_ns) for _, end_ns in bounds]),
        "starts": Bigints([start_ns for _, start_ns, _ in places]),
        "ends": Bigints([end_ns for _, _, end_ns in places]),
        "firsts": Bigints(
            [last - len(at) + 1 for last, at in zip(lasts, places.values(), strict=True)]
        ),
        "lasts": Bigints(lasts),
        "series": Bigints([ids[at] for at in order]),
        "sequences": Bigints([rows[at][0] for at in order]),
        "seen": Bigints([min(samples[at].seen, LARGEST_SUM) for at in order]),
        "numbers": Bigints([samples[at].numbers for at in order]),
        "categories": Bigints([samples[at].categories for at in order]),
    }


class Samples:
    """Reads and adds samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids = SeriesIds()

    def add(
        self, session: Session, rows: Sequence[tuple[int, SampleRow]], stream: int, now_ns: int
    ) -> list[int]:
        """Store *rows*, by ascending sequence, inside a transaction; return the series of each.

        No row of another shipment is locked, except while both create the same series.
        """
        sequences, samples = [sequence for sequence, _ in rows], [row for _, row in rows]
        payloads = [row.payload for row in samples]
        keys = [
            SeriesKey(row.entity, row.summary, label_text.digest_of(row.labels)) for row in samples
        ]
        series = dict(zip(keys, samples, strict=True))
        found = self._ids.of(session, series)
        entities, ids = [row.entity for row in samples], [found[key] for key in keys]
        starts = [row.window.start_ns for row in samples]
        ends = [row.window.end_ns for row in samples]
        counts = [row.observations for row in samples]
        checksums = list(map(checksum, payloads))
        columns = (ids, starts, ends, stream, sequences, counts, now_ns, checksums)
        session.copy(_COPY, packed_rows(entities, columns, payloads))
        day = arrival_day(now_ns)
        size = sum(map(len, payloads))
        session.execute(_ARRIVALS, {"stream": stream, "day": day, "rows": len(rows), "bytes": size})
        session.execute(_ADDITIONS, {**_additions(rows, ids, now_ns), "day": day, "now": now_ns})
        return ids

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        """List the series by name; *entity* and *summary* restrict the list."""
        asked = {"entity": entity, "summary": summary}
        return [
            series_of(row)
            for row in self._database.read(lambda session: session.rows(_SERIES, asked))
        ]

    def totals(self) -> list[EntityTotals]:
        """List every entity that has samples, by name, without reading the samples."""
        rows = self._database.read(lambda session: session.rows(_TOTALS, _EVERY))
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
        return self._database.snapshot(lambda session: size(session, series, question, level))

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
        return self._database.snapshot(lambda session: stretches(session, series, question, level))

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

        def work(session: Session) -> list[Stretch]:
            found = size(session, series, question, level)
            if not found.fits(most):
                raise TooLarge(found)
            return stretches(session, series, question, level)

        return self._database.snapshot(work)
