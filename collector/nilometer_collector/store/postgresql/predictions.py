"""Logged predictions in PostgreSQL."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import LiteralString

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import PredictionKey
from nilometer_collector.store.levels import DAY_NS, arrival_day
from nilometer_collector.store.postgresql.arrays import Bigints
from nilometer_collector.store.postgresql.copying import packed_rows
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.partitions import (
    create_partition,
    days_of,
    drop_partition,
    lock_partitions,
)
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.predicting import (
    JOINED,
    Counted,
    Shape,
    StoredRow,
    by_id,
    by_key,
    by_subject,
    counted,
    is_of,
    key_of,
    names_of_labels,
    pack,
    settle,
    shapes_in,
    unpack,
)
from nilometer_collector.store.prediction_records import (
    NOTHING_PREDICTED,
    Logged,
    Predicted,
    PredictionPage,
    PredictionTotals,
)
from nilometer_collector.store.prediction_verbs import MOST_READ

MOST_SHAPES = 10_000  # most shapes in memory

_TABLE: LiteralString = "predictions"
_COLUMNS: LiteralString = (
    "number, key, subject_key, row, time_ns, day, shape, ambiguous, crc, payload"
)
# Two shipments with one id must see each other, so the shipments of an entity are stored one by one.
_LOCK = """
SELECT pg_advisory_xact_lock(1852405616, hashtext(entity))
FROM (SELECT unnest(%(entities)s::text[]) AS entity) AS locked ORDER BY hashtext(entity)
"""
# The keys come from a subquery: the planner would examine each of thousands of constants for each
# partition, and then might prefer to read whole partitions.
_BY_KEY: LiteralString = (
    f"SELECT {_COLUMNS} FROM predictions WHERE key = ANY((SELECT %(keys)s::bigint[])::bigint[])"  # noqa: S608
)
_JOINED: LiteralString = (
    f"SELECT {JOINED} FROM predictions WHERE key = ANY((SELECT %(keys)s::bigint[])::bigint[])"  # noqa: S608
)
_BY_SUBJECT: LiteralString = (
    f"SELECT {_COLUMNS} FROM predictions "  # noqa: S608
    "WHERE subject_key = ANY((SELECT %(keys)s::bigint[])::bigint[])"
    " AND subject_key <> 0 AND time_ns >= %(start)s AND time_ns < %(end)s"
)
_PAGE: LiteralString = (
    f"SELECT {_COLUMNS} FROM predictions WHERE number > %(after)s AND entity = %(entity)s "  # noqa: S608
    "AND time_ns >= %(start)s AND time_ns < %(end)s ORDER BY number LIMIT %(limit)s"
)
_COPY = """
COPY predictions (entity, key, subject_key, row, time_ns, day, shape, ambiguous, crc, payload)
FROM STDIN (FORMAT BINARY)
"""
_MARK = """
UPDATE predictions SET ambiguous = 1 WHERE key = ANY(%(keys)s::bigint[])
  AND number = ANY(%(numbers)s::bigint[]) RETURNING shape, day
"""
_COUNT = """
INSERT INTO prediction_days (entity, day, rows, bytes, ambiguous)
VALUES (%(entity)s, %(day)s, %(rows)s, %(bytes)s, %(ambiguous)s)
ON CONFLICT (entity, day) DO UPDATE SET rows = prediction_days.rows + excluded.rows,
  bytes = prediction_days.bytes + excluded.bytes,
  ambiguous = prediction_days.ambiguous + excluded.ambiguous
"""
_REMOVE = """
DELETE FROM predictions WHERE number = ANY(%(numbers)s::bigint[])
RETURNING shape, day, octet_length(payload), ambiguous
"""
# Joins and erasures of one entity run one after the other. So no other join changes what a join reads,
# two joins never wait for each other's rows, and none stores a label of an erased prediction.
LOCK_LABELS = "SELECT pg_advisory_xact_lock(1953659508, hashtext(%(entity)s))"
_FORGET = """
DELETE FROM truths WHERE hash = ANY(%(hashes)s::bigint[]) AND name = ANY(%(names)s::text[])
"""
_FORGET_IDS = """
DELETE FROM waiting_truths WHERE entity = %(entity)s AND name = ANY(%(names)s::text[])
"""
_FORGET_SUBJECT = """
DELETE FROM waiting_truths WHERE entity = %(entity)s AND name = '' AND subject = %(subject)s
"""
_COUNT_WAITING = """
UPDATE truth_totals SET rows = (SELECT count(*) FROM waiting_truths WHERE entity = %(entity)s)
WHERE entity = %(entity)s AND outcome = 'waiting'
"""
_ADD_SHAPE = """
INSERT INTO prediction_shapes (digest, entity, content)
VALUES (%(digest)s, %(entity)s, %(content)s) ON CONFLICT (digest) DO NOTHING
"""
_RETIRE = "DELETE FROM prediction_days WHERE day = %(day)s RETURNING rows"


class Predictions:
    """Reads, adds and removes logged predictions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._day = -1  # day of the newest partition that this store has made
        self._shapes: dict[int, Shape] = {}  # shapes that are committed, by id

    def ensure(self, now_ns: int) -> None:
        """Create the partition of *now_ns*, if it does not exist.

        Raises:
            StoreUnavailable: If the partition cannot be created.
        """
        day = arrival_day(now_ns)

        def create(session: Session) -> None:
            lock_partitions(session)
            create_partition(session, _TABLE, DAY_NS, day)

        if day != self._day:
            self._database.write(create)
            self._day = day

    def forget(self) -> None:
        """Check partitions again before the next prediction; others may have dropped one."""
        self._day = -1

    def add(self, session: Session, records: Sequence[PredictionRecord], now_ns: int) -> Predicted:
        """Store the new ones of *records* inside a transaction, after `ensure`."""
        if not records:
            return NOTHING_PREDICTED
        session.rows(_LOCK, {"entities": sorted({record.entity for record in records})})
        shapes = _ids(session, shapes_in(records))
        rows = pack(records, shapes, arrival_day(now_ns))
        names = {id_: shape.entity for shape, id_ in shapes.items()}
        keys = sorted({row.key for row in rows})
        stored = _rows(session, _BY_KEY, {"keys": keys})
        entity_of = _entities(session, {row.shape for row in stored} - names.keys(), names)
        settled = settle(rows, stored, entity_of)
        if settled.new:
            _copy(session, settled.new, entity_of)
        values = {"keys": keys, "numbers": settled.marked}
        marked = session.rows(_MARK, values) if settled.marked else []
        new = ((row.shape, row.day, len(row.payload), row.ambiguous) for row in settled.new)
        _count(session, counted(new, entity_of))
        for shape, day in marked:
            _count(session, {(entity_of(shape), day): (0, 0, 1)})
        return settled.effect

    def find(self, entity: str, ids: Sequence[str]) -> dict[str, Logged]:
        """Return the predictions of *entity* with *ids*, by id; unknown ids are left out."""
        values = {"keys": sorted(key_of(entity, one) for one in ids)}
        rows, shapes = self._database.read(lambda session: self._read(session, _BY_KEY, values))
        return by_id(entity, ids, unpack(rows, shapes))

    def by_key_in(
        self, session: Session, entity: str, keys: Collection[PredictionKey]
    ) -> dict[PredictionKey, Found]:
        """Return the predictions of *keys*, which have ids, in the transaction of *session*."""
        hashes = Bigints(sorted({key_of(entity, key.name) for key in keys}))
        rows = session.rows(_JOINED, {"keys": hashes})
        return by_key(entity, keys, rows, self._shapes_of(session, {row[3] for row in rows}))

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> dict[str, list[PredictionRecord]]:
        """Return the predictions about *subjects* by subject, oldest event first."""
        return self._database.read(
            lambda session: self.of_subjects_in(session, entity, subjects, start_ns, end_ns)
        )

    def of_subjects_in(
        self,
        session: Session,
        entity: str,
        subjects: Sequence[str],
        start_ns: int,
        end_ns: int,
    ) -> dict[str, list[PredictionRecord]]:
        """Return the same as `of_subjects`, in the transaction of *session*."""
        keys = sorted(key_of(entity, one) for one in subjects)
        values = {"keys": keys, "start": start_ns, "end": end_ns}
        rows, shapes = self._read(session, _BY_SUBJECT, values)
        return by_subject(entity, subjects, unpack(rows, shapes))

    def read(
        self, entity: str, start_ns: int, end_ns: int, after: int = 0, limit: int = MOST_READ
    ) -> PredictionPage:
        """Return the next page of predictions of *entity* with an event time in [start, end)."""
        values = {
            "entity": entity,
            "after": after,
            "start": start_ns,
            "end": end_ns,
            "limit": limit,
        }
        rows, shapes = self._database.read(lambda session: self._read(session, _PAGE, values))
        records = tuple(record for _, record in unpack(rows, shapes))
        return PredictionPage(records, rows[-1].number if len(rows) == limit else None)

    def erase(self, entity: str, ids: Sequence[str]) -> int:
        """Erase the predictions with *ids* and their labels; return the number of predicted rows."""
        asked = frozenset(ids)
        values = {"keys": sorted(key_of(entity, one) for one in asked)}

        def erase(session: Session) -> int:
            _lock_for_erasure(session, entity)
            rows = _rows(session, _BY_KEY, values)
            _forget(session, entity, asked)
            session.execute(_FORGET_IDS, {"entity": entity, "names": sorted(asked - {""})})
            session.execute(_COUNT_WAITING, {"entity": entity})
            return _remove(
                session, entity, [row for row in rows if is_of(row, prediction_ids=asked)]
            )

        return self._database.write(erase)

    def erase_subject(self, entity: str, subject: str) -> int:
        """Erase all predictions about *subject* and their labels; return the number of their rows."""
        values = {"keys": [key_of(entity, subject)], "start": 0, "end": (1 << 63) - 1}

        def erase(session: Session) -> int:
            _lock_for_erasure(session, entity)
            rows = _rows(session, _BY_SUBJECT, values)
            meant = [row for row in rows if is_of(row, subject=subject)]
            _forget(session, entity, names_of_labels(meant, subject))
            session.execute(_FORGET_SUBJECT, {"entity": entity, "subject": subject})
            session.execute(_COUNT_WAITING, {"entity": entity})
            return _remove(session, entity, meant)

        return self._database.write(erase)

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove predictions by the day of their arrival, a limited number at a time."""
        first_kept = arrival_day(now_ns - keep_ns)

        def drop(session: Session) -> int:
            lock_partitions(session)  # one collector drops a day, and counts it
            days = days_of(session, _TABLE)
            if not days or days[0] >= first_kept:
                return 0
            session.execute("SET LOCAL lock_timeout = '1s'")  # shipments wait for this lock
            session.execute("SET LOCAL statement_timeout = 0")
            session.execute("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
            drop_partition(session, _TABLE, days[0])
            return int(sum(rows for (rows,) in session.rows(_RETIRE, {"day": days[0]})))

        removed = self._database.write(drop)
        self.forget()
        return removed

    def totals(self) -> Mapping[str, PredictionTotals]:
        """Return the number of predictions of each entity that has any, without reading them."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT entity, sum(rows)::bigint, sum(bytes)::bigint, sum(ambiguous)::bigint "
                "FROM prediction_days GROUP BY entity HAVING sum(rows) > 0 ORDER BY entity"
            )
        )
        return {entity: PredictionTotals(*figures) for entity, *figures in rows}

    def _read(
        self, session: Session, statement: LiteralString, values: Mapping[str, object]
    ) -> tuple[list[StoredRow], Mapping[int, Shape]]:
        """Return rows and their shapes, which are remembered, because a shape never changes."""
        rows = _rows(session, statement, values)
        return rows, self._shapes_of(session, {row.shape for row in rows})

    def _shapes_of(self, session: Session, needed: set[int]) -> Mapping[int, Shape]:
        shapes = self._shapes
        if not needed <= shapes.keys():
            kept = shapes if len(shapes) < MOST_SHAPES else {}
            shapes = {**kept, **_read_shapes(session, needed)}
            self._shapes = shapes
        return shapes


def _lock_for_erasure(session: Session, entity: str) -> None:
    session.rows(LOCK_LABELS, {"entity": entity})
    session.rows(_LOCK, {"entities": [entity]})


def _forget(session: Session, entity: str, names: Iterable[str]) -> None:
    """Remove the labels of predictions by their names."""
    known = sorted(set(names) - {""})
    session.execute(_FORGET, {"hashes": [key_of(entity, one) for one in known], "names": known})


def _remove(session: Session, entity: str, rows: Sequence[StoredRow]) -> int:
    if not rows:
        return 0
    removed = session.rows(_REMOVE, {"numbers": [row.number for row in rows]})
    sums = counted(removed, lambda _: entity)
    _count(session, {key: (-count, -size, -marked) for key, (count, size, marked) in sums.items()})
    return len(removed)


def _rows(
    session: Session, statement: LiteralString, values: Mapping[str, object]
) -> list[StoredRow]:
    return [*map(StoredRow._make, session.rows(statement, values))]


def _copy(session: Session, rows: Sequence[StoredRow], entity_of: Callable[[int], str]) -> None:
    columns = (
        [row.key for row in rows],
        [row.subject_key for row in rows],
        [row.row for row in rows],
        [row.time_ns for row in rows],
        rows[0].day,
        [row.shape for row in rows],
        [row.ambiguous for row in rows],
        [row.crc for row in rows],
    )
    entities = [entity_of(row.shape) for row in rows]
    session.copy(_COPY, packed_rows(entities, columns, [row.payload for row in rows]))


def _count(session: Session, sums: Counted) -> None:
    for (entity, day), (rows, size, ambiguous) in sorted(sums.items()):
        values = {
            "entity": entity,
            "day": day,
            "rows": rows,
            "bytes": size,
            "ambiguous": ambiguous,
        }
        session.execute(_COUNT, values)


def _ids(session: Session, shapes: Iterable[Shape]) -> dict[Shape, int]:
    """Return the id of each of *shapes*, new ones too, inside a transaction."""
    found = {}
    for digest, shape in sorted((shape.digest, shape) for shape in shapes):
        values = {"digest": digest, "entity": shape.entity, "content": shape.text}
        select = "SELECT id FROM prediction_shapes WHERE digest = %(digest)s"
        row = session.row(select, values)
        if row is None:
            session.execute(_ADD_SHAPE, values)
            (row,) = session.rows(select, values)
        found[shape] = int(row[0])
    return found


def _entities(
    session: Session, ids: Iterable[int], known: Mapping[int, str]
) -> Callable[[int], str]:
    """Return a function for the entities of the shapes in *known* and *ids*."""
    read = _read_shapes(session, ids)
    return {**known, **{id_: shape.entity for id_, shape in read.items()}}.__getitem__


def _read_shapes(session: Session, ids: Iterable[int]) -> dict[int, Shape]:
    rows = session.rows(
        "SELECT id, entity, content FROM prediction_shapes WHERE id = ANY(%(ids)s::bigint[])",
        {"ids": [*ids]},
    )
    return {id_: Shape.from_text(entity, text) for id_, entity, text in rows}
