"""Series and samples in PostgreSQL. A stored sample never changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from nilometer.values.window import Window
from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.levels import Level, arrival_day
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.reading import Question, size, stretches
from nilometer_collector.store.postgresql.rollups import mark
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import (
    EntityTotals,
    Part,
    SeriesRecord,
    Size,
    Stretch,
)
from nilometer_collector.store.rows import series_of
from nilometer_collector.store.shipments import SampleRow

LARGEST_SUM = 1 << 53  # a sum stops here, because JSON readers have no larger integers

_SERIES = """
SELECT id, entity, summary, labels_text, seen, numbers, categories, samples, first_start_ns,
       last_end_ns, longest_window_ns, last_window_ns, last_received_ns
FROM series WHERE (%(entity)s::text IS NULL OR entity = %(entity)s)
  AND (%(summary)s::text IS NULL OR summary = %(summary)s)
ORDER BY entity, summary, labels_text
"""
_TOTALS = """
SELECT entity, count(*), max(seen)::bigint, min(first_ns), max(last_ns), max(received_ns),
       (array_agg(window_ns ORDER BY received_ns DESC, window_ns DESC))[1]
FROM (SELECT entity, sum(seen) AS seen, min(first_start_ns) AS first_ns,
             max(last_end_ns) AS last_ns, max(last_received_ns) AS received_ns,
             (array_agg(last_window_ns ORDER BY last_received_ns DESC))[1] AS window_ns
      FROM series GROUP BY entity, summary) AS of_summaries
GROUP BY entity ORDER BY entity COLLATE "C"
"""
_FIND = """
SELECT series.id, asked.number
FROM unnest(%(entities)s::text[], %(summaries)s::text[], %(digests)s::bytea[])
     WITH ORDINALITY AS asked (entity, summary, digest, number)
JOIN series ON series.entity = asked.entity AND series.summary = asked.summary
           AND series.labels_digest = asked.digest
"""
# Rows are written in key order, so that two collectors never wait for each other.
_CREATE = """
INSERT INTO series (entity, summary, labels, labels_text, labels_digest, seen, numbers, categories,
                    samples, first_start_ns, last_end_ns, longest_window_ns, last_window_ns,
                    last_received_ns)
SELECT entity, summary, labels::jsonb, labels, digest, 0, 0, 0, 0, start_ns, 0, 0, 0, 0
FROM unnest(%(entities)s::text[], %(summaries)s::text[], %(labels)s::text[], %(digests)s::bytea[],
            %(starts)s::bigint[]) AS new (entity, summary, labels, digest, start_ns)
ORDER BY entity COLLATE "C", summary COLLATE "C", digest
ON CONFLICT (entity, summary, labels_digest) DO NOTHING
"""
_LOCK = """
SELECT id FROM series WHERE entity = ANY(%(named)s::text[]) AND id = ANY(%(ids)s::bigint[])
ORDER BY id FOR NO KEY UPDATE
"""
_COUNT = """
UPDATE series SET
  seen = LEAST(series.seen + new.seen, 9007199254740992),
  numbers = LEAST(series.numbers + new.numbers, 9007199254740992),
  categories = LEAST(series.categories + new.categories, 9007199254740992),
  samples = series.samples + new.samples,
  first_start_ns = LEAST(series.first_start_ns, new.start_ns),
  last_end_ns = GREATEST(series.last_end_ns, new.end_ns),
  longest_window_ns = GREATEST(series.longest_window_ns, new.longest_ns),
  last_window_ns = new.last_ns,
  last_received_ns = GREATEST(series.last_received_ns, %(now)s)
FROM unnest(%(entities)s::text[], %(ids)s::bigint[], %(seen)s::bigint[], %(numbers)s::bigint[],
            %(categories)s::bigint[], %(samples)s::bigint[], %(starts)s::bigint[], %(ends)s::bigint[],
            %(longest)s::bigint[], %(last)s::bigint[])
     AS new (entity, id, seen, numbers, categories, samples, start_ns, end_ns, longest_ns, last_ns)
WHERE series.entity = new.entity AND series.id = new.id
"""
_COPY = """
COPY samples (entity, series, window_start_ns, window_end_ns, stream, sequence, observations,
              received_ns, crc, payload) FROM STDIN (FORMAT BINARY)
"""
_TYPES = ("text", *["int8"] * 8, "bytea")
_ARRIVALS = """
INSERT INTO arrivals (stream, arrival_day, rows, bytes) VALUES (%(stream)s, %(day)s, %(rows)s, %(bytes)s)
ON CONFLICT (stream, arrival_day) DO UPDATE SET
  rows = arrivals.rows + excluded.rows, bytes = arrivals.bytes + excluded.bytes
"""


class _Key(NamedTuple):
    entity: str
    summary: str
    labels: str  # as text


@dataclass(slots=True)
class _Added:
    """The additions of one shipment to a series."""

    first_start_ns: int
    last_end_ns: int = 0
    longest_window_ns: int = 0
    last_window_ns: int = 0
    seen: int = 0
    numbers: int = 0
    categories: int = 0
    samples: int = 0
    windows: set[Window] = field(default_factory=set)  # windows of the finest roll-up

    def add(self, row: SampleRow) -> None:
        window = row.window
        self.first_start_ns = min(self.first_start_ns, window.start_ns)
        self.last_end_ns = max(self.last_end_ns, window.end_ns)
        self.last_window_ns = window.end_ns - window.start_ns
        self.longest_window_ns = max(self.longest_window_ns, self.last_window_ns)
        self.seen = min(self.seen + row.seen, LARGEST_SUM)
        self.numbers = min(self.numbers + row.numbers, LARGEST_SUM)
        self.categories = min(self.categories + row.categories, LARGEST_SUM)
        self.samples += 1
        self.windows.add(Level.FIVE_MINUTES.window_of(window))


Counted: TypeAlias = Sequence[tuple[str, int, _Added]]  # (entity, id, additions) of each series


class Samples:
    """Reads and adds samples."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, session: Session, rows: Sequence[tuple[int, SampleRow]], stream: int, now_ns: int
    ) -> Counted:
        """Store *rows*, each with its sequence, inside a transaction; call `count` afterwards."""
        keys: list[_Key] = []
        added: dict[_Key, _Added] = {}
        for _, row in rows:
            key = _Key(row.entity, row.summary, label_text.to_text(row.labels))
            keys.append(key)
            if key not in added:
                added[key] = _Added(row.window.start_ns)
            added[key].add(row)
        ids = _ids(session, added)
        session.copy(
            _COPY,
            _TYPES,
            (
                (
                    row.entity,
                    ids[key],
                    row.window.start_ns,
                    row.window.end_ns,
                    stream,
                    sequence,
                    row.observations,
                    now_ns,
                    checksum(row.payload),
                    row.payload,
                )
                for key, (sequence, row) in zip(keys, rows, strict=True)
            ),
        )
        size = sum(len(row.payload) for _, row in rows)
        day = arrival_day(now_ns)
        session.execute(_ARRIVALS, {"stream": stream, "day": day, "rows": len(rows), "bytes": size})
        parts = [
            Part(key.entity, ids[key], Level.FIVE_MINUTES, window, day)
            for key, one in added.items()
            for window in one.windows
        ]
        mark(session, parts, now_ns)
        return [(key.entity, ids[key], one) for key, one in added.items()]

    def count(self, session: Session, counted: Counted, now_ns: int) -> None:
        """Add the result of `add` to the statistics of the series.

        This locks the statistics, so it comes last: shipments of other agents only wait for the
        commit.
        """
        values: dict[str, object] = {
            "entities": [entity for entity, _, _ in counted],
            "named": sorted({entity for entity, _, _ in counted}),
            "ids": [identity for _, identity, _ in counted],
            "now": now_ns,
            "seen": [one.seen for _, _, one in counted],
            "numbers": [one.numbers for _, _, one in counted],
            "categories": [one.categories for _, _, one in counted],
            "samples": [one.samples for _, _, one in counted],
            "starts": [one.first_start_ns for _, _, one in counted],
            "ends": [one.last_end_ns for _, _, one in counted],
            "longest": [one.longest_window_ns for _, _, one in counted],
            "last": [one.last_window_ns for _, _, one in counted],
        }
        session.rows(_LOCK, values)
        session.execute(_COUNT, values)

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


def _ids(session: Session, added: Mapping[_Key, _Added]) -> dict[_Key, int]:
    """Return the id of each series; creates new series first."""
    keys = list(added)
    asked = {
        "entities": [key.entity for key in keys],
        "summaries": [key.summary for key in keys],
        "labels": [key.labels for key in keys],
        "digests": [label_text.digest(key.labels) for key in keys],
        "starts": [one.first_start_ns for one in added.values()],
    }
    found = session.rows(_FIND, asked)
    if len(found) < len(keys):
        session.execute(_CREATE, asked)
        found = session.rows(_FIND, asked)
    return {keys[number - 1]: identity for identity, number in found}
