"""Logged predictions in SQLite."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import PredictionKey
from nilometer_collector.store.levels import arrival_day
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
from nilometer_collector.store.sqlite.database import Database

MOST_REMOVED = 10_000  # most rows that one step removes
MOST_SHAPES = 10_000  # most shapes in memory

_COLUMNS = "number, key, subject_key, row, time_ns, day, shape, ambiguous, crc, payload"
# The join is written as a loop over the keys, because SQLite does not know how few they are.
_BY_KEY = f"""
WITH asked (hash) AS (SELECT value FROM json_each(?))
SELECT {_COLUMNS} FROM asked CROSS JOIN predictions WHERE key = hash
"""  # noqa: S608
_JOINED = f"""
WITH asked (hash) AS (SELECT value FROM json_each(?))
SELECT {JOINED} FROM asked CROSS JOIN predictions WHERE key = hash
"""  # noqa: S608
_BY_SUBJECT = f"""
WITH asked (hash) AS (SELECT value FROM json_each(?))
SELECT {_COLUMNS} FROM asked CROSS JOIN predictions WHERE subject_key = hash AND subject_key <> 0 AND time_ns >= ? AND time_ns < ?
"""  # noqa: S608
_PAGE = f"""
SELECT {_COLUMNS} FROM predictions WHERE number > ?
AND shape IN (SELECT id FROM prediction_shapes WHERE entity = ?) AND time_ns >= ? AND time_ns < ?
ORDER BY number LIMIT ?
"""  # noqa: S608
_ADD = f"INSERT INTO predictions ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_MARK = """
UPDATE predictions SET ambiguous = 1 WHERE number IN (SELECT value FROM json_each(?))
RETURNING shape, day
"""
_COUNT = """
INSERT INTO prediction_days (entity, day, rows, bytes, ambiguous) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (entity, day) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes,
  ambiguous = ambiguous + excluded.ambiguous
"""
_REMOVE = """
DELETE FROM predictions WHERE number IN (SELECT value FROM json_each(?))
RETURNING shape, day, length(payload), ambiguous
"""
_FORGET = "DELETE FROM truths WHERE hash = ? AND name = ?"
_FORGET_ID = "DELETE FROM waiting_truths WHERE entity = ? AND name = ?"
_FORGET_SUBJECT = "DELETE FROM waiting_truths WHERE entity = ? AND name = '' AND subject = ?"
_COUNT_WAITING = """
UPDATE truth_totals SET rows = (SELECT count(*) FROM waiting_truths WHERE entity = ?1)
WHERE entity = ?1 AND outcome = 'waiting'
"""
# Rows of one day are next to each other, unless the clock has gone back.
_OLDEST = "SELECT number, day FROM predictions ORDER BY number LIMIT ?"


class Predictions:
    """Reads, adds and removes logged predictions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shapes: dict[int, Shape] = {}  # shapes that are committed, by id

    def add(self, records: Sequence[PredictionRecord], now_ns: int) -> Predicted:
        """Store the new ones of *records* inside a transaction."""
        if not records:
            return NOTHING_PREDICTED
        shapes = self._ids(shapes_in(records))
        rows = pack(records, shapes, arrival_day(now_ns))
        names = {id_: shape.entity for shape, id_ in shapes.items()}
        keys = {row.key for row in rows}
        stored = self._rows(_BY_KEY, (json.dumps(sorted(keys)),))
        entity_of = self._entities({row.shape for row in stored} - names.keys(), names)
        settled = settle(rows, stored, entity_of)
        self._database.execute_many(_ADD, (row[1:] for row in settled.new))
        marked = self._database.rows(_MARK, (json.dumps(settled.marked),)) if settled.marked else []
        new = ((row.shape, row.day, len(row.payload), row.ambiguous) for row in settled.new)
        self._count(counted(new, entity_of))
        for shape, day in marked:
            self._count({(entity_of(shape), day): (0, 0, 1)})
        return settled.effect

    def find(self, entity: str, ids: Sequence[str]) -> dict[str, Logged]:
        """Return the predictions of *entity* with *ids*, by id; unknown ids are left out."""
        keys = _keys(entity, ids)
        rows = self._rows(_BY_KEY, (keys,))
        return by_id(entity, ids, unpack(rows, self._of(rows)))

    def by_key(self, entity: str, keys: Collection[PredictionKey]) -> dict[PredictionKey, Found]:
        """Return the predictions of *keys*, which have ids; those that are not stored are left out."""
        hashes = _keys(entity, [key.name for key in keys])
        rows = self._database.rows(_JOINED, (hashes,))
        return by_key(entity, keys, rows, self._shapes_of({row[3] for row in rows}))

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> dict[str, list[PredictionRecord]]:
        """Return the predictions about *subjects* by subject, oldest event first."""
        keys = _keys(entity, subjects)
        rows = self._rows(_BY_SUBJECT, (keys, start_ns, end_ns))
        return by_subject(entity, subjects, unpack(rows, self._of(rows)))

    def read(
        self, entity: str, start_ns: int, end_ns: int, after: int = 0, limit: int = MOST_READ
    ) -> PredictionPage:
        """Return the next page of predictions of *entity* with an event time in [start, end)."""
        rows = self._rows(_PAGE, (after, entity, start_ns, end_ns, limit))
        records = tuple(record for _, record in unpack(rows, self._of(rows)))
        return PredictionPage(records, rows[-1].number if len(rows) == limit else None)

    def erase(self, entity: str, ids: Sequence[str]) -> int:
        """Erase the predictions with *ids* and their labels; return the number of predicted rows."""
        asked = frozenset(ids)
        with self._database.write():
            rows = self._rows(_BY_KEY, (_keys(entity, ids),))
            self._forget(entity, asked)
            self._database.execute_all(_FORGET_ID, [(entity, one) for one in asked if one])
            self._database.execute(_COUNT_WAITING, (entity,))
            return self._remove([one.number for one in rows if is_of(one, prediction_ids=asked)])

    def erase_subject(self, entity: str, subject: str) -> int:
        """Erase all predictions about *subject* and their labels; return the number of their rows."""
        with self._database.write():
            rows = self._rows(_BY_SUBJECT, (_keys(entity, (subject,)), 0, (1 << 63) - 1))
            meant = [row for row in rows if is_of(row, subject=subject)]
            self._forget(entity, names_of_labels(meant, subject))
            self._database.execute(_FORGET_SUBJECT, (entity, subject))
            self._database.execute(_COUNT_WAITING, (entity,))
            return self._remove([row.number for row in meant])

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove predictions by the day of their arrival, a limited number at a time."""
        first_kept = arrival_day(now_ns - keep_ns)
        with self._database.write():
            rows = self._database.rows(_OLDEST, (MOST_REMOVED,))
            return self._remove([number for number, day in rows if day < first_kept])

    def totals(self) -> Mapping[str, PredictionTotals]:
        """Return the number of predictions of each entity that has any, without reading them."""
        rows = self._database.rows(
            "SELECT entity, sum(rows), sum(bytes), sum(ambiguous) FROM prediction_days "
            "GROUP BY entity HAVING sum(rows) > 0 ORDER BY entity"
        )
        return {entity: PredictionTotals(*figures) for entity, *figures in rows}

    def _forget(self, entity: str, names: Iterable[str]) -> None:
        """Remove the labels of predictions by their names."""
        self._database.execute_all(_FORGET, [(key_of(entity, one), one) for one in names if one])

    def _remove(self, numbers: Sequence[int]) -> int:
        if not numbers:
            return 0
        removed = self._database.rows(_REMOVE, (json.dumps(numbers),))
        entity_of = self._entities({row[0] for row in removed}, {})
        sums = counted(removed, entity_of)
        self._count({key: (-rows, -size, -marked) for key, (rows, size, marked) in sums.items()})
        self._database.execute("DELETE FROM prediction_days WHERE rows = 0")
        return len(removed)

    def _count(self, sums: Counted) -> None:
        for (entity, day), figures in sums.items():
            self._database.execute(_COUNT, (entity, day, *figures))

    def _rows(self, statement: str, values: Sequence[object]) -> list[StoredRow]:
        return [*map(StoredRow._make, self._database.rows(statement, values))]

    def _ids(self, shapes: Iterable[Shape]) -> dict[Shape, int]:
        """Return the id of each of *shapes*, new ones too, inside a transaction."""
        found = {}
        for shape in shapes:
            digest = shape.digest
            row = self._database.row("SELECT id FROM prediction_shapes WHERE digest = ?", (digest,))
            found[shape] = (
                int(row[0])
                if row
                else self._database.execute(
                    "INSERT INTO prediction_shapes (digest, entity, content) VALUES (?, ?, ?)",
                    (digest, shape.entity, shape.text),
                )
            )
        return found

    def _entities(self, ids: Iterable[int], known: Mapping[int, str]) -> Callable[[int], str]:
        """Return a function for the entities of the shapes in *known* and *ids*."""
        names = {**known, **{id_: shape.entity for id_, shape in self._read_shapes(ids).items()}}
        return names.__getitem__

    def _of(self, rows: Iterable[StoredRow]) -> Mapping[int, Shape]:
        """Return the shapes of committed *rows*, and remember them; a shape never changes."""
        return self._shapes_of({row.shape for row in rows})

    def _shapes_of(self, needed: set[int]) -> Mapping[int, Shape]:
        if not needed <= self._shapes.keys():
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes = {}
            self._shapes = {**self._shapes, **self._read_shapes(needed)}
        return self._shapes

    def _read_shapes(self, ids: Iterable[int]) -> dict[int, Shape]:
        rows = self._database.rows(
            "SELECT id, entity, content FROM prediction_shapes "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([*ids]),),
        )
        return {id_: Shape.from_text(entity, text) for id_, entity, text in rows}


def _keys(entity: str, texts: Iterable[str]) -> str:
    """Return the distinct keys of ids or subjects as JSON, in the order of the index."""
    return json.dumps(sorted({key_of(entity, one) for one in texts}))
