"""Roll-ups in PostgreSQL: finds stale ones, reads their samples, replaces and removes roll-ups."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import LiteralString

from psycopg import sql

from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.store import label_text
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.levels import BY_LENGTH, DAY_NS, Level
from nilometer_collector.store.postgresql.collecting import collect
from nilometer_collector.store.postgresql.copying import packed_rows
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.leases import Lease
from nilometer_collector.store.postgresql.partitions import Partitions
from nilometer_collector.store.postgresql.reading import (
    MOST_ROWS,
    held_from,
    of_parts,
    table_of,
)
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.protocol import PAGE_BYTES, ROLL_UP_LEASE_SECONDS
from nilometer_collector.store.records import (
    LevelRecord,
    Part,
    RollUp,
    StalePart,
    Uncollected,
)
from nilometer_collector.store.retention import retired
from nilometer_collector.store.stale import due_ns, part_of

MOST_REMOVED = 5000  # rows in one step

_MARK = """
INSERT INTO stale_parts (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day,
                         due_ns, version)
SELECT entity, series, %(level)s, start_ns, end_ns, day, due_ns, 1
FROM unnest(%(entities)s::text[], %(ids)s::bigint[], %(starts)s::bigint[], %(ends)s::bigint[],
            %(days)s::bigint[], %(due)s::bigint[])
     AS new (entity, series, start_ns, end_ns, day, due_ns)
ON CONFLICT (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day) DO UPDATE SET
  version = stale_parts.version + 1
"""
_TAKE = """
SELECT p.entity, series.labels_text, p.series, p.window_start_ns, p.window_end_ns, p.arrival_day,
       p.version
FROM stale_parts p JOIN series ON series.entity = p.entity AND series.id = p.series
WHERE p.level_ns = %(level)s AND p.due_ns <= %(now)s ORDER BY p.due_ns LIMIT %(limit)s
"""
_KEYS = sql.SQL("""
unnest(%(entities)s::text[], %(ids)s::bigint[], %(starts)s::bigint[], %(ends)s::bigint[],
       %(days)s::bigint[], %(versions)s::bigint[]) WITH ORDINALITY
AS asked (name, id, start_ns, end_ns, day, known, position)
""")
_SAME = sql.SQL("""
p.entity = asked.name AND p.series = asked.id AND p.level_ns = %(level)s
AND p.window_start_ns = asked.start_ns AND p.window_end_ns = asked.end_ns AND p.arrival_day = asked.day
""")
# If a sample is added to a part while it is merged, the part has another version, and stays stale.
# Parts are locked in key order, so that their versions stay as they are until the commit.
_UNCHANGED = sql.SQL("""
SELECT asked.position FROM {keys} JOIN stale_parts p ON {same} AND p.version = asked.known
ORDER BY p.entity, p.series, p.window_start_ns, p.window_end_ns, p.arrival_day FOR UPDATE OF p
""").format(keys=_KEYS, same=_SAME)
_SETTLE = sql.SQL("DELETE FROM stale_parts p USING {keys} WHERE {same}").format(
    keys=_KEYS, same=_SAME
)
_CLEAR = sql.SQL(
    "DELETE FROM rollups p USING {keys} WHERE {same} RETURNING octet_length(p.payload)"
).format(keys=_KEYS, same=_SAME)
_COPY = """
COPY rollups (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day, number,
              observations, crc, payload) FROM STDIN (FORMAT BINARY)
"""
_COUNT = """
UPDATE levels SET rows = rows + %(rows)s, bytes = bytes + %(bytes)s WHERE level_ns = %(level)s
"""
_SIZES: LiteralString = "asked.part, octet_length(payload)"
_PAYLOADS: LiteralString = "asked.part, stored.number, payload, crc"
# Equal samples of a part are interchangeable, so the last columns decide only between equal payloads.
_CANONICAL: LiteralString = (
    " ORDER BY asked.part, window_start_ns, window_end_ns, crc, octet_length(payload), stream, "
    "stored.number"
)
_REMOVE = """
DELETE FROM rollups WHERE level_ns = %(level)s AND ctid = ANY(ARRAY(
  SELECT ctid FROM rollups WHERE level_ns = %(level)s AND arrival_day < %(day)s LIMIT %(limit)s))
RETURNING octet_length(payload)
"""
_WAITING = """
SELECT level_ns, min(arrival_day) FROM (
  SELECT level_ns, arrival_day FROM stale_parts
  UNION ALL SELECT 300000000000, arrival_day FROM additions
  UNION ALL SELECT 300000000000, arrival_day FROM shipped_additions
) AS stale (level_ns, arrival_day) GROUP BY level_ns
"""
_LEVELS = """
WITH stale AS (
  SELECT level_ns, series, window_start_ns, window_end_ns, arrival_day FROM stale_parts
  UNION SELECT 300000000000, series, window_start_ns, window_end_ns, arrival_day
  FROM waiting_additions)
SELECT level_ns, rows + CASE level_ns WHEN 0 THEN (SELECT COALESCE(sum(rows), 0) FROM arrivals) ELSE 0 END,
       bytes + CASE level_ns WHEN 0 THEN (SELECT COALESCE(sum(bytes), 0) FROM arrivals) ELSE 0 END,
       (SELECT count(*) FROM stale WHERE stale.level_ns = levels.level_ns), held_from_day
FROM levels ORDER BY level_ns
"""
# An addition without samples is a mark of a replaced window.
_UNCOLLECTED = """
SELECT count(*), COALESCE(min(received_ns), 0) FROM waiting_additions WHERE samples > 0
"""


class RollUps:
    """Reads, replaces and removes roll-ups. `Samples` marks them as stale."""

    def __init__(self, database: Database, partitions: Partitions) -> None:
        self._database = database
        self._partitions = partitions
        self._lease = Lease("rollups", ROLL_UP_LEASE_SECONDS)

    def take(self, level: Level, now_ns: int, limit: int) -> list[StalePart]:
        """List at most *limit* stale parts of *level* due at *now_ns*, longest overdue first."""
        asked = {"level": level.length_ns, "now": now_ns, "limit": limit}

        def take(session: Session) -> list[StalePart]:
            return [
                StalePart(
                    part=Part(entity, series, level, Window(start, end), day),
                    labels=label_text.from_text(labels),
                    version=version,
                )
                for entity, labels, series, start, end, day, version in session.rows(_TAKE, asked)
            ]

        # The lease has a short transaction of its own, because a collection takes seconds.
        if not self._database.write(self._lease.hold):
            return []
        if level is Level.FIVE_MINUTES:
            self.collect()
        return self._database.read(take)

    def collect(self) -> int:
        """Move waiting additions into the statistics of series and the stale parts."""
        return collect(self._database)

    def uncollected(self) -> Uncollected:
        """Return how many additions of samples wait, and since when."""
        ((rows, oldest_ns),) = self._database.read(lambda session: session.rows(_UNCOLLECTED))
        return Uncollected(rows=rows, oldest_ns=oldest_ns)

    def samples(self, stale: Sequence[StalePart]) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part in canonical order, one page at a time."""
        if not stale:
            return
        batch: list[StalePart] = []
        held = 0
        for one, (rows, size) in zip(stale, self._sizes(stale), strict=True):
            if size > PAGE_BYTES:
                length = max(rows * PAGE_BYTES // size, 1)
                for offset in range(0, rows, length):
                    yield from self._page([one], length, offset)
                continue
            if batch and held + size > PAGE_BYTES:
                yield from self._page(batch)
                batch, held = [], 0
            batch.append(one)
            held += size
        yield from self._page(batch)

    def _sizes(self, stale: Sequence[StalePart]) -> list[tuple[int, int]]:
        """Return the number and the bytes of the samples of each part."""
        parts = [one.part for one in stale]
        found = [(0, 0)] * len(stale)
        for position, size in self._database.read(
            lambda session: of_parts(session, parts, _SIZES, "")
        ):
            rows, before = found[position - 1]
            found[position - 1] = (rows + 1, before + size)
        return found

    def _page(
        self, batch: Sequence[StalePart], limit: int = MOST_ROWS, offset: int = 0
    ) -> Iterator[tuple[StalePart, list[bytes]]]:
        """Yield the samples of each part of *batch*; a single part may be split."""
        if not batch:
            return
        parts = [one.part for one in batch]
        rows = self._database.read(
            lambda session: of_parts(session, parts, _PAYLOADS, _CANONICAL, offset, limit)
        )
        table = table_of(batch[0].part.level.finer)
        found: list[list[bytes]] = [[] for _ in batch]
        for position, number, payload, crc in rows:
            if intact(table, number, payload, crc):
                found[position - 1].append(payload)
        yield from zip(batch, found, strict=True)

    def put(self, rolled: Sequence[RollUp], now_ns: int) -> int:
        """Replace the roll-ups of these parts, and mark the coarser parts as stale."""

        def put(session: Session) -> int:
            if not self._lease.check(session):
                return 0
            unchanged = session.rows(_UNCHANGED, _keys([one.stale for one in rolled]))
            chosen = [rolled[position - 1] for (position,) in unchanged]
            if chosen:
                self._replace(session, chosen)
                coarser = chosen[0].stale.part.level.coarser
                if coarser is not None:
                    marked = {part_of(one.stale.part, coarser) for one in chosen}
                    self._mark(session, list(marked), now_ns)
            return len(chosen)

        return self._database.write(put)

    def _replace(self, session: Session, rolled: Sequence[RollUp]) -> None:
        keys = _keys([one.stale for one in rolled])
        session.execute(_SETTLE, keys)
        before = session.rows(_CLEAR, keys)
        rows = [(one.stale.part, at, row) for one in rolled for at, row in enumerate(one.rows)]
        session.copy(
            _COPY,
            packed_rows(
                [part.entity for part, _, _ in rows],
                (
                    [part.series for part, _, _ in rows],
                    rolled[0].stale.part.level.length_ns,
                    [part.window.start_ns for part, _, _ in rows],
                    [part.window.end_ns for part, _, _ in rows],
                    [part.arrival_day for part, _, _ in rows],
                    [number for _, number, _ in rows],
                    [row.observations for _, _, row in rows],
                    [checksum(row.payload) for _, _, row in rows],
                ),
                [row.payload for _, _, row in rows],
            ),
        )
        size = sum(len(row.payload) for *_, row in rows) - sum(size for (size,) in before)
        _count(session, rolled[0].stale.part.level, len(rows) - len(before), size)

    def _mark(self, session: Session, parts: Sequence[Part], now_ns: int) -> None:
        values = _keys([StalePart(part=part, labels=Labels(), version=0) for part in parts])
        due = [due_ns(part.level, part.window.end_ns, now_ns) for part in parts]
        session.execute(_MARK, {**values, "due": due})

    def retire(self, now_ns: int, keep_ns: Mapping[Level, int]) -> int:
        """Remove samples and roll-ups by the age of their arrival, a limited number at a time."""
        before = self._database.read(held_from)
        removed = 0
        for level, day in before.items():
            removed += self._database.write(partial(self._remove, level, day))

        def give_up(session: Session) -> None:
            if not self._lease.hold(session):
                return
            rows = session.rows(_WAITING)
            waiting = {BY_LENGTH[length]: day for length, day in rows}
            for level, day in retired(now_ns, keep_ns, held_from(session), waiting).items():
                session.execute(
                    "UPDATE levels SET held_from_day = %(day)s WHERE level_ns = %(level)s",
                    {"day": day, "level": level.length_ns},
                )

        self._database.write(give_up)
        return removed

    def _remove(self, level: Level, day: int, session: Session) -> int:
        """Remove rows of *level* that arrived before *day*."""
        if not self._lease.hold(session):
            return 0
        session.execute("SET LOCAL statement_timeout = 0")
        if level is Level.SHIPPED:
            return self._partitions.drop_before(session, day)
        values = {"level": level.length_ns, "day": day, "limit": MOST_REMOVED}
        sizes = session.rows(_REMOVE, values)
        if sizes:
            _count(session, level, -len(sizes), -sum(size for (size,) in sizes))
        return len(sizes)

    def levels(self) -> list[LevelRecord]:
        """Return the content of each level, finest first."""
        return [
            LevelRecord(
                level=BY_LENGTH[length],
                rows=int(rows),
                bytes=int(size),
                stale=stale,
                held_from_ns=day * DAY_NS,
            )
            for length, rows, size, stale, day in self._database.read(
                lambda session: session.rows(_LEVELS)
            )
        ]


def _keys(stale: Sequence[StalePart]) -> dict[str, object]:
    parts = [one.part for one in stale]
    return {
        "level": parts[0].level.length_ns,
        "entities": [part.entity for part in parts],
        "ids": [part.series for part in parts],
        "starts": [part.window.start_ns for part in parts],
        "ends": [part.window.end_ns for part in parts],
        "days": [part.arrival_day for part in parts],
        "versions": [one.version for one in stale],
    }


def _count(session: Session, level: Level, rows: int, size: int) -> None:
    session.execute(_COUNT, {"rows": rows, "bytes": size, "level": level.length_ns})
