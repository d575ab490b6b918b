"""Roll-ups in SQLite: which are stale, what they are merged from, how long each level stays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nilometer.values.window import Window
from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, Level, arrival_day
from nilometer_collector.store.protocol import PAGE_BYTES
from nilometer_collector.store.records import LevelRecord, Part, RollUp, SampleRow, StalePart
from nilometer_collector.store.retention import retired
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.reading import LAST_DAY, Question, Reading, table_of
from nilometer_collector.store.stale import due_ns, part_of

MOST_REMOVED = 2000  # rows in one step

_KEY = (
    "series = ? AND level_ns = ? AND window_start_ns = ? AND window_end_ns = ? AND arrival_day = ?"
)
_MARK = """
INSERT INTO stale_parts (series, level_ns, window_start_ns, window_end_ns, arrival_day, due_ns, version)
VALUES (?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (series, level_ns, window_start_ns, window_end_ns, arrival_day) DO UPDATE SET
  version = version + 1, due_ns = min(due_ns, excluded.due_ns)
"""
_TAKE = """
SELECT series.entity, series.labels, p.series, p.window_start_ns, p.window_end_ns, p.arrival_day, p.version
FROM stale_parts p JOIN series ON series.id = p.series
WHERE p.level_ns = ? AND p.due_ns <= ? ORDER BY p.due_ns LIMIT ?
"""
# Equal samples of a part are interchangeable, so the id decides only between equal payloads.
_ORDER = "ORDER BY window_start_ns, window_end_ns, crc, length(payload), id"
_REMOVE = {
    "samples": """
DELETE FROM samples WHERE id IN (SELECT id FROM samples WHERE ?1 = 0 AND received_ns < ?2 LIMIT ?3)
RETURNING length(payload)
""",
    "rollups": """
DELETE FROM rollups WHERE id IN (
  SELECT id FROM rollups r WHERE level_ns = ?1 AND arrival_day < ?2 AND NOT EXISTS (
    SELECT 1 FROM pins WHERE pins.series = r.series AND pins.level_ns = r.level_ns
      AND pins.start_ns < r.window_end_ns AND pins.end_ns > r.window_start_ns) LIMIT ?3)
RETURNING length(payload)
""",
}


@dataclass(slots=True)
class Arrived:
    """The samples of one shipment.

    Attributes:
        windows: Window of the finest roll-up for each series and window that got a sample.
    """

    rows: int = 0
    bytes: int = 0
    windows: set[tuple[int, int, int]] = field(default_factory=set)

    def add(self, series: int, row: SampleRow) -> None:
        """Add a sample of *series*."""
        window = row.sample.window
        self.rows += 1
        self.bytes += len(row.payload)
        self.windows.add((series, window.start_ns, window.end_ns))


class RollUps:
    """Reads, replaces and removes roll-ups. `SqliteStore.ship` marks them as stale."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = Reading(database)

    # New samples

    def received_ns(self, now_ns: int) -> int:
        """Return the time of arrival of what arrives at *now_ns*: on no day that was removed."""
        return max(now_ns, self._reading.held_from()[Level.SHIPPED] * DAY_NS)

    def mark(self, arrived: Arrived, received_ns: int) -> None:
        """Mark the parts of new samples as stale, inside a transaction."""
        level, day = Level.FIVE_MINUTES, arrival_day(received_ns)
        windows = {
            (series, level.window_of(Window(start, end))) for series, start, end in arrived.windows
        }
        self._mark(
            [Part("", series, level, window, day) for series, window in windows], received_ns
        )
        self._count(Level.SHIPPED, arrived.rows, arrived.bytes)

    # Work of the roll-up worker

    def take(self, level: Level, now_ns: int, limit: int) -> list[StalePart]:
        """List at most *limit* stale parts of *level* that are due at *now_ns*, longest due first."""
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

    def samples(self, stale: Sequence[StalePart]) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part in canonical order, a page at a time."""
        for one in stale:
            table = table_of(one.part.level.finer)
            question = Question(0, 1 << 62, "length(payload)", -1)
            page: list[int] = []
            held = 0
            for identity, _, _, _, size in self._reading.of_part(one.part, question, _ORDER):
                if page and held + size > PAGE_BYTES:
                    yield one, self._payloads(table, page)
                    page, held = [], 0
                page.append(identity)
                held += size
            yield one, self._payloads(table, page)

    def _payloads(self, table: str, ids: Sequence[int]) -> list[bytes]:
        rows = {
            identity: (payload, crc)
            for identity, payload, crc in self._database.rows(
                f"SELECT id, payload, crc FROM {table} "  # noqa: S608
                f"WHERE id IN ({','.join(map(str, ids))})"
            )
        }
        found = ((identity, *rows[identity]) for identity in ids if identity in rows)
        return [payload for at, payload, crc in found if intact(table, at, payload, crc)]

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
                    self._mark([part_of(one.stale.part, coarser)], now_ns)
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
                (*key, number, row.sample.content.count, row.payload, checksum(row.payload)),
            )
        size = sum(len(row.payload) for row in rows) - sum(size for (size,) in before)
        self._count(part.level, len(rows) - len(before), size)

    def retire(self, now_ns: int, keep_ns: Mapping[Level, int]) -> int:
        """Remove samples and roll-ups by the age of their arrival, a bounded number at a time."""
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
        table = table_of(level)
        until = min(day, LAST_DAY) * (DAY_NS if level is Level.SHIPPED else 1)
        with self._database.write():
            sizes = self._database.rows(_REMOVE[table], (level.length_ns, until, MOST_REMOVED))
            self._count(level, -len(sizes), -sum(size for (size,) in sizes))
        return len(sizes)

    def levels(self) -> list[LevelRecord]:
        """Return what each level holds, finest first."""
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

    def _mark(self, parts: Sequence[Part], now_ns: int) -> None:
        self._database.execute_many(
            _MARK, ((*_key(part), due_ns(part.level, part.window, now_ns)) for part in parts)
        )

    def _count(self, level: Level, rows: int, size: int) -> None:
        if rows or size:
            self._database.execute(
                "UPDATE levels SET rows = rows + ?, bytes = bytes + ? WHERE level_ns = ?",
                (rows, size, level.length_ns),
            )


def _key(part: Part) -> tuple[int, ...]:
    window = part.window
    return (part.series, part.level.length_ns, window.start_ns, window.end_ns, part.arrival_day)
