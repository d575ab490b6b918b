"""Ground truth in SQLite."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    Place,
    PredictionKey,
    ToldTruth,
)
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.joining import Joined, join, next_search_ns
from nilometer_collector.store.predicting import key_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.predictions import Predictions
from nilometer_collector.store.sqlite.revisions import Revisions
from nilometer_collector.store.truth_records import (
    ChunkAnswer,
    JudgedWindow,
    RevisedWindow,
    SourceProgress,
    TruthChunk,
    TruthTotals,
    WindowKey,
)
from nilometer_collector.store.truth_rows import (
    counts_of,
    counts_text,
    known_of,
    label_row,
    lags_text,
    progress_of,
    source_number,
    totals_of,
    waiting_of,
    waiting_row,
    window_of,
)

MOST_REMOVED = 5000  # most labels that one step removes

_WINDOW = (
    "id, start_ns, end_ns, labels, definition, labelled, lags, payload, crc, series, received_ns"
)
_TRUTH = "name, row, time_ns, truth, known_ns, source, window"
_WAITING = "name, row, subject, time_ns, truth, known_ns, source, arrived_ns"
_KNOWN = f"""
SELECT {_TRUTH} FROM json_each(?) AS asked CROSS JOIN truths WHERE hash = asked.value
"""  # noqa: S608
_HELD = f"""
SELECT {_WAITING} FROM json_each(?2) AS asked CROSS JOIN waiting_truths
WHERE entity = ?1 AND name = json_extract(asked.value, '$[0]')
  AND row = json_extract(asked.value, '$[1]') AND subject = json_extract(asked.value, '$[2]')
  AND time_ns = json_extract(asked.value, '$[3]')
"""  # noqa: S608
_PUT_TRUTH = """
INSERT INTO truths (hash, name, row, time_ns, truth, known_ns, source, window)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hash, name, row, time_ns) DO UPDATE SET
  truth = excluded.truth, known_ns = excluded.known_ns, source = excluded.source,
  window = excluded.window
"""
_PUT_WAITING = """
INSERT INTO waiting_truths (entity, name, row, subject, time_ns, truth, known_ns, source,
                            arrived_ns, due_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (entity, name, row, subject, time_ns) DO UPDATE SET
  truth = excluded.truth, known_ns = excluded.known_ns, source = excluded.source,
  due_ns = excluded.due_ns
"""
_RELEASE = """
DELETE FROM waiting_truths WHERE entity = ? AND name = ? AND row = ? AND subject = ? AND time_ns = ?
"""
_PUT_WINDOW = """
UPDATE judged_windows SET definition = ?, labelled = ?, lags = ?, payload = ?, crc = ?, series = ?,
  received_ns = ? WHERE id = ?
"""
_TOTAL = """
INSERT INTO truth_totals (entity, outcome, rows) VALUES (?, ?, ?)
ON CONFLICT (entity, outcome) DO UPDATE SET rows = rows + excluded.rows
"""
_WAITING_NOW = "SELECT rows FROM truth_totals WHERE entity = ? AND outcome = ?"


class Truths:
    """Joins, reads and removes ground truth."""

    def __init__(self, database: Database, predictions: Predictions, revisions: Revisions) -> None:
        self._database = database
        self._predictions = predictions
        self._revisions = revisions

    # Verbs of the store

    def join(
        self, chunk: TruthChunk, definition: PerformanceDefinition, now_ns: int
    ) -> ChunkAnswer:
        """Join the rows of *chunk* with the logged predictions, in one transaction."""
        source = source_number(chunk.source)
        rows = [ToldTruth(truth, source, now_ns) for truth in chunk.rows]
        with self._database.write():
            key = (chunk.entity, chunk.source, chunk.number)
            before = self._database.row(
                "SELECT counts FROM truth_chunks WHERE entity = ? AND source = ? AND number = ?",
                key,
            )
            if before is not None:
                return ChunkAnswer(counts_of(before[0]), is_repeated=True)
            joined = join(self, definition, rows, (), now_ns)
            refused = Counter(chunk.refused)
            counts = Counter(joined.outcomes) + refused
            self._save(chunk.entity, joined, refused, now_ns)
            if chunk.source is not None:
                self._database.execute(
                    "INSERT INTO truth_chunks (entity, source, number, position, counts, "
                    "received_ns) VALUES (?, ?, ?, ?, ?, ?)",
                    (*key, chunk.position, counts_text(counts), now_ns),
                )
        return ChunkAnswer(counts, is_repeated=False)

    def join_waiting(self, definition: PerformanceDefinition, now_ns: int, limit: int) -> int:
        """Look for the predictions of rows that wait and are due, at most *limit*."""
        with self._database.write():
            due = [
                waiting_of(row)
                for row in self._database.rows(
                    f"SELECT {_WAITING} FROM waiting_truths "  # noqa: S608
                    "WHERE entity = ? AND due_ns <= ? ORDER BY due_ns LIMIT ?",
                    (definition.entity, now_ns, limit),
                )
            ]
            if due:
                joined = join(self, definition, (), due, now_ns)
                self._save(definition.entity, joined, Counter(), now_ns)
        return len(due)

    def progress(self, entity: str, source: bytes) -> SourceProgress:
        """Return how far *source* has been joined."""
        return progress_of(
            self._database.rows(
                "SELECT number, position, counts FROM truth_chunks "
                "WHERE entity = ? AND source = ? ORDER BY number",
                (entity, source),
            )
        )

    def totals(self, entity: str) -> TruthTotals:
        """Return what became of all ground truth of *entity*."""
        rows = self._database.rows(
            "SELECT outcome, rows FROM truth_totals WHERE entity = ?", (entity,)
        )
        ((oldest,),) = self._database.rows(
            "SELECT min(arrived_ns) FROM waiting_truths WHERE entity = ?", (entity,)
        )
        return totals_of(rows, oldest)

    def windows(self, entity: str, start_ns: int, end_ns: int, limit: int) -> list[JudgedWindow]:
        """List the windows of *entity* that overlap [start, end), newest first, at most *limit*."""
        rows = self._database.rows(
            f"SELECT {_WINDOW} FROM judged_windows "  # noqa: S608
            "WHERE entity = ? AND start_ns < ? AND end_ns > ? AND labelled > 0 "
            "ORDER BY start_ns DESC, labels LIMIT ?",
            (entity, end_ns, start_ns, limit),
        )
        return [window_of(row) for row in rows]

    def waiting_entities(self, now_ns: int) -> Sequence[str]:
        """List the entities with rows that wait and are due."""
        rows = self._database.rows(
            "SELECT DISTINCT entity FROM waiting_truths WHERE due_ns <= ? ORDER BY entity",
            (now_ns,),
        )
        return [entity for (entity,) in rows]

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove labels of old windows, and chunks, a limited number at a time."""
        before_ns = now_ns - keep_ns
        with self._database.write():
            labels = self._database.rows(
                "DELETE FROM truths WHERE (hash, name, row, time_ns) IN (SELECT hash, name, row, "
                "time_ns FROM truths WHERE window IN (SELECT id FROM judged_windows "
                "WHERE end_ns < ?1 AND received_ns < ?1) LIMIT ?2) RETURNING 1",
                (before_ns, MOST_REMOVED),
            )
            windows = []
            if len(labels) < MOST_REMOVED:
                windows = self._database.rows(
                    "DELETE FROM judged_windows WHERE end_ns < ?1 AND received_ns < ?1 RETURNING 1",
                    (before_ns,),
                )
            chunks = self._database.rows(
                "DELETE FROM truth_chunks WHERE received_ns < ? RETURNING 1", (before_ns,)
            )
        return len(labels) + len(windows) + len(chunks)

    # What a join reads

    def find(self, entity: str, keys: Collection[PredictionKey]) -> Mapping[PredictionKey, Found]:
        """Return logged predictions with ids; those that are not in the log are left out."""
        return self._predictions.by_key(entity, keys)

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> Mapping[str, list[PredictionRecord]]:
        """Return logged predictions of a span by subject, oldest first."""
        return self._predictions.of_subjects(entity, subjects, start_ns, end_ns)

    def known(
        self, entity: str, keys: Collection[PredictionKey]
    ) -> Mapping[PredictionKey, KnownTruth]:
        """Return the stored labels of *keys*."""
        hashes = sorted({key_of(entity, key.name) for key in keys})
        found = known_of(self._database.rows(_KNOWN, (json.dumps(hashes),)))
        return {key: found[key] for key in keys if key in found}

    def waiting(self, entity: str, places: Collection[Place]) -> Mapping[Place, ToldTruth]:
        """Return the rows that wait at *places*."""
        rows = self._database.rows(_HELD, (entity, json.dumps(sorted(places))))
        return {told.place: told for told in map(waiting_of, rows)}

    def count_waiting(self, entity: str) -> int:
        """Return the number of rows of *entity* that wait, as it is stored, without counting them."""
        row = self._database.row(_WAITING_NOW, (entity, Outcome.WAITING.value))
        return 0 if row is None else int(row[0])

    def window_ids(self, entity: str, keys: Collection[WindowKey]) -> Mapping[WindowKey, int]:
        """Return the id of each window; create those that do not exist."""
        found = {}
        for key in sorted(keys):
            ((identity,),) = self._database.rows(
                "INSERT INTO judged_windows (entity, start_ns, end_ns, labels, definition, labelled, "
                "lags, payload, crc, series, received_ns) "
                "VALUES (?, ?, ?, ?, '', 0, '{}', x'', 0, 0, 0) "
                "ON CONFLICT (entity, start_ns, end_ns, labels) DO UPDATE SET labels = labels "
                "RETURNING id",
                (entity, *key),
            )
            found[key] = identity
        return found

    def judged_windows(self, ids: Collection[int]) -> Mapping[int, JudgedWindow]:
        """Return windows by id."""
        rows = self._database.rows(
            f"SELECT {_WINDOW} FROM judged_windows "  # noqa: S608
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(ids)),),
        )
        return {window.id: window for window in map(window_of, rows)}

    def labels_of(self, window: int) -> Mapping[PredictionKey, KnownTruth]:
        """Return the labels that are counted in a window."""
        return known_of(
            self._database.rows(f"SELECT {_TRUTH} FROM truths WHERE window = ?", (window,))  # noqa: S608
        )

    # What a join changes

    def _save(self, entity: str, joined: Joined, refused: Counter[Outcome], now_ns: int) -> None:
        database = self._database
        hashed = sorted(label_row(entity, key, one) for key, one in joined.labels.items())
        database.execute_all(_PUT_TRUTH, hashed)
        database.execute_all(_RELEASE, [(entity, *place) for place in joined.released])
        database.execute_all(
            _PUT_WAITING,
            [
                (entity, *waiting_row(one, next_search_ns(one.arrived_ns, now_ns)))
                for one in joined.waits.values()
            ],
        )
        self._put_windows(entity, joined.windows, now_ns)
        totals = joined.totals
        totals.update(refused)
        database.execute_all(_TOTAL, [(entity, one.value, count) for one, count in totals.items()])

    def _put_windows(self, entity: str, windows: Sequence[RevisedWindow], now_ns: int) -> None:
        if not windows:
            return
        placed = self._revisions.replace(entity, windows, now_ns)
        for one, (series, received_ns) in zip(windows, placed, strict=True):
            after = one.after
            self._database.execute(
                _PUT_WINDOW,
                (
                    *(after.definition, after.labelled, lags_text(after.lags), after.payload),
                    *(checksum(after.payload), series, received_ns, after.id),
                ),
            )
