"""Roll-ups in SQLite: finds stale ones, reads their samples, replaces and removes roll-ups."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from nilometer.values.window import Window
from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, Level, arrival_day
from nilometer_collector.store.protocol import PAGE_BYTES
from nilometer_collector.store.records import (
    LevelRecord,
    Part,
    RollUp,
    StalePart,
    Uncollected,
)
from nilometer_collector.store.retention import retired
from nilometer_collector.store.shipments import SampleRow
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.reading import Reading, Row, table_of
from nilometer_collector.store.sqlite.samples import Added
from nilometer_collector.store.stale import due_ns, part_of

MOST_REMOVED = 2000  # most rows that one step removes

_KEY = (
    "series = ? AND level_ns = ? AND window_start_ns = ? AND window_end_ns = ? AND arrival_day = ?"
)
_MARK = """
INSERT INTO stale_parts (series, level_ns, window_start_ns, window_end_ns, arrival_day, due_ns, version)
VALUES (?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (series, level_ns, window_start_ns, window_end_ns, arrival_day) DO UPDATE SET
  version = version + 1
"""
# The samples of one shipment have consecutive ids.
_ARRIVED = """
INSERT INTO arrival_days (day, first_id, last_id)
SELECT ?1, max(id) - ?2 + 1, max(id) FROM samples WHERE true
ON CONFLICT (day) DO UPDATE SET
  first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)
"""
_TAKE = """
SELECT series.entity, series.labels, p.series, p.window_start_ns, p.window_end_ns, p.arrival_day, p.version
FROM stale_parts p JOIN series ON series.id = p.series
WHERE p.level_ns = ? AND p.due_ns <= ? ORDER BY p.due_ns LIMIT ?
"""
# Equal samples of a part are interchangeable, so the id decides only between equal payloads.
_ORDER = "part, window_start_ns, window_end_ns, crc, length(payload), stored.id"
# If the clock has gone back, the ids of a day include samples of later days.
_REMOVE_SHIPPED = """
DELETE FROM samples WHERE id IN (
  SELECT id FROM samples WHERE id BETWEEN ? AND ? AND received_ns < ? LIMIT ?)
RETURNING length(payload)
"""
_REMOVE_ROLLED_UP = """
DELETE FROM rollups WHERE id IN (
  SELECT id FROM rollups WHERE level_ns = ? AND arrival_day < ? LIMIT ?)
RETURNING length(payload)
"""


class RollUps:
    """Reads, replaces and removes roll-ups. `SqliteStore.ship` marks them as stale."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = Reading(database)

    # New samples

    def received_ns(self, now_ns: int) -> int:
        """Return the time of arrival of data that arrives at *now_ns*; never on a removed day."""
        return max(now_ns, self._reading.held_from()[Level.SHIPPED] * DAY_NS)

    def mark(self, added: Sequence[Added], received_ns: int) -> None:
        """Inside a transaction, mark the parts of new samples as stale, and count the samples."""
        level, day = Level.FIVE_MINUTES, arrival_day(received_ns)
        parts = {(row[0], *level.bounds_of(row[1], row[2]), day) for row in added}
        self._mark(level, parts, received_ns)
        self._count(Level.SHIPPED, len(added), sum([len(row[7]) for row in added]))
        self._database.execute(_ARRIVED, (day, len(added)))

    def withdraw(
        self, series: int, window: Window, day: int, sizes: Sequence[int], now_ns: int
    ) -> None:
        """Inside a transaction, let roll-ups lose the samples of *window* that arrived on *day*.

        The window is at least as long as those of the finest roll-up, which so has no other samples.

        Args:
            series: Series of the samples.
            window: Window of the samples.
            day: Day of their arrival.
            sizes: Size of each removed sample in bytes; empty if retention has removed them before.
            now_ns: Wall time.
        """
        level = Level.FIVE_MINUTES
        self._count(Level.SHIPPED, -len(sizes), -sum(sizes))
        if not sizes:  # then reads take the roll-up, which still has the samples
            key = (series, level.length_ns, window.start_ns, window.end_ns, day)
            removed = self._database.rows(
                f"DELETE FROM rollups WHERE {_KEY} RETURNING length(payload)",  # noqa: S608
                key,
            )
            self._count(level, -len(removed), -sum(size for (size,) in removed))
        self._mark(level, [(series, window.start_ns, window.end_ns, day)], now_ns)

    # Work of the roll-up worker

    def take(self, level: Level, now_ns: int, limit: int) -> list[StalePart]:
        """List at most *limit* stale parts of *level* due at *now_ns*, longest overdue first."""
        return [
            StalePart(
                part=Part(entity, series, level, Window(start, end), day),
                labels=label_text.from_text(labels),
                version=version,
            )
            for entity, labels, series, start, end, day, version in self._database.rows(
                _TAKE, (level.length_ns, now_ns, limit)
            )
        ]

    def collect(self) -> int:
        """Return 0: `SqliteStore.ship` changes the statistics itself."""
        return 0

    def uncollected(self) -> Uncollected:
        """Return that no sample waits: `SqliteStore.ship` changes the statistics itself."""
        return Uncollected(rows=0, oldest_ns=0)

    def samples(self, stale: Sequence[StalePart]) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part in canonical order, a page at a time."""
        if not stale:
            return
        table = table_of(stale[0].part.level.finer)
        parts = [one.part for one in stale]
        rows = self._reading.of_parts(parts, "part, stored.id, length(payload)", _ORDER)
        unread = set(range(len(stale))) - {part for part, _, _ in rows}
        for part in sorted(unread):
            yield stale[part], []
        for page in _pages(rows):
            payloads = self._payloads(table, [identity for _, identity, _ in page])
            for part, some in groupby(page, itemgetter(0)):
                yield stale[part], [payloads[at] for _, at, _ in some if at in payloads]

    def _payloads(self, table: str, ids: Sequence[int]) -> dict[int, bytes]:
        """Return the bytes of the samples with *ids*; leave out corrupt ones."""
        rows = self._database.rows(
            f"SELECT id, payload, crc FROM {table} "  # noqa: S608
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        return {at: payload for at, payload, crc in rows if intact(table, at, payload, crc)}

    def put(self, rolled: Sequence[RollUp], now_ns: int) -> int:
        """Replace the roll-ups of these parts, and mark the coarser parts as stale."""
        done = 0
        with self._database.write():
            for one in rolled:
                key = _key(one.stale.part)
                if not self._database.rows(
                    f"DELETE FROM stale_parts WHERE {_KEY} AND version = ? RETURNING 1",  # noqa: S608
                    (*key, one.stale.version),
                ):
                    continue
                done += 1
                self._replace(one.stale.part, key, one.rows)
                if (coarser := one.stale.part.level.coarser) is not None:
                    _, series, _, window, day = part_of(one.stale.part, coarser)
                    marked = (series, window.start_ns, window.end_ns, day)
                    self._mark(coarser, [marked], now_ns)
        return done

    def _replace(self, part: Part, key: tuple[int, ...], rows: Sequence[SampleRow]) -> None:
        before = self._database.rows(
            f"DELETE FROM rollups WHERE {_KEY} RETURNING length(payload)",  # noqa: S608
            key,
        )
        for number, row in enumerate(rows):
            self._database.execute(
                "INSERT INTO rollups (series, level_ns, window_start_ns, window_end_ns, arrival_day, "
                "number, observations, payload, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, number, row.observations, row.payload, checksum(row.payload)),
            )
        size = sum(len(row.payload) for row in rows) - sum(size for (size,) in before)
        self._count(part.level, len(rows) - len(before), size)

    def retire(self, now_ns: int, keep_ns: Mapping[Level, int]) -> int:
        """Remove samples and roll-ups by the age of their arrival, a limited number at a time."""
        removed = 0
        before = self._reading.held_from()
        for level, day in before.items():
            removed += self._remove(level, day)
        with self._database.write():
            rows = self._database.rows(
                "SELECT level_ns, min(arrival_day) FROM stale_parts GROUP BY level_ns"
            )
            waiting = {BY_LENGTH[length]: day for length, day in rows}
            for level, day in retired(now_ns, keep_ns, before, waiting).items():
                self._database.execute(
                    "UPDATE levels SET held_from_day = ? WHERE level_ns = ?", (day, level.length_ns)
                )
        return removed

    def _remove(self, level: Level, day: int) -> int:
        """Remove rows of *level* that arrived before *day*."""
        with self._database.write():
            if level is Level.SHIPPED:
                sizes = self._remove_shipped(day)
            else:
                sizes = self._database.rows(_REMOVE_ROLLED_UP, (level.length_ns, day, MOST_REMOVED))
            self._count(level, -len(sizes), -sum(size for (size,) in sizes))
        return len(sizes)

    def _remove_shipped(self, day: int) -> list[tuple[int, ...]]:
        """Remove some samples of the oldest day before *day*; return the size of each."""
        oldest = self._database.row(
            "SELECT first_id, last_id, day FROM arrival_days WHERE day < ? ORDER BY day LIMIT 1",
            (day,),
        )
        if oldest is None:
            return []
        first, last, old = oldest
        sizes = self._database.rows(_REMOVE_SHIPPED, (first, last, day * DAY_NS, MOST_REMOVED))
        if len(sizes) < MOST_REMOVED:
            self._database.execute("DELETE FROM arrival_days WHERE day = ?", (old,))
        return sizes

    def levels(self) -> list[LevelRecord]:
        """Return the content of each level, finest first."""
        stale = dict(
            self._database.rows("SELECT level_ns, count(*) FROM stale_parts GROUP BY level_ns")
        )
        return [
            LevelRecord(
                level=BY_LENGTH[length],
                rows=rows,
                bytes=size,
                stale=stale.get(length, 0),
                held_from_ns=day * DAY_NS,
            )
            for length, rows, size, day in self._database.rows(
                "SELECT level_ns, rows, bytes, held_from_day FROM levels ORDER BY level_ns"
            )
        ]

    def _mark(
        self, level: Level, parts: Collection[tuple[int, int, int, int]], now_ns: int
    ) -> None:
        """Mark parts of *level* as stale; a part is a series, start, end and day of arrival."""
        due = {end: due_ns(level, end, now_ns) for end in {part[2] for part in parts}}
        length = level.length_ns
        rows = [(series, length, start, end, day, due[end]) for series, start, end, day in parts]
        self._database.execute_many(_MARK, rows)

    def _count(self, level: Level, rows: int, size: int) -> None:
        if rows or size:
            self._database.execute(
                "UPDATE levels SET rows = rows + ?, bytes = bytes + ? WHERE level_ns = ?",
                (rows, size, level.length_ns),
            )


def _key(part: Part) -> tuple[int, ...]:
    window = part.window
    return (part.series, part.level.length_ns, window.start_ns, window.end_ns, part.arrival_day)


def _pages(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield *rows*, whose last column is a size in bytes, in pages of about `PAGE_BYTES`."""
    page: list[Row] = []
    held = 0
    for row in rows:
        if page and held + row[-1] > PAGE_BYTES:
            yield page
            page, held = [], 0
        page.append(row)
        held += row[-1]
    if page:
        yield page
