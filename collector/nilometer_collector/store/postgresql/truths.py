"""Ground truth in PostgreSQL."""

from collections import Counter
from collections.abc import Sequence

from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import Outcome, ToldTruth
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.joining import Joined, join, next_search_ns
from nilometer_collector.store.postgresql.arrays import columns
from nilometer_collector.store.postgresql.copying import packed_rows
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.join_tables import WAITING, WINDOW, SessionTables
from nilometer_collector.store.postgresql.partitions import Partitions
from nilometer_collector.store.postgresql.predictions import LOCK_LABELS, Predictions
from nilometer_collector.store.postgresql.revisions import Revisions
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.truth_records import (
    ChunkAnswer,
    JudgedWindow,
    RevisedWindow,
    SourceProgress,
    TruthChunk,
    TruthTotals,
)
from nilometer_collector.store.truth_rows import (
    counts_of,
    counts_text,
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

_CHUNK = """
SELECT counts FROM truth_chunks
WHERE entity = %(entity)s AND source = %(source)s AND number = %(number)s
"""
_ADD_CHUNK = """
INSERT INTO truth_chunks (entity, source, number, position, counts, received_ns)
VALUES (%(entity)s, %(source)s, %(number)s, %(position)s, %(counts)s, %(now)s)
"""
_DUE = f"""
SELECT {WAITING} FROM waiting_truths w
WHERE entity = %(entity)s AND due_ns <= %(now)s ORDER BY due_ns LIMIT %(limit)s
"""  # noqa: S608
_PROGRESS = """
SELECT number, position, counts FROM truth_chunks
WHERE entity = %(entity)s AND source = %(source)s ORDER BY number
"""
_WINDOWS = f"""
SELECT {WINDOW} FROM judged_windows
WHERE entity = %(entity)s AND start_ns < %(end)s AND end_ns > %(start)s AND labelled > 0
ORDER BY start_ns DESC, labels LIMIT %(limit)s
"""  # noqa: S608
_COPY_TRUTHS = """
COPY truths (name, hash, row, time_ns, known_ns, source, window_id, truth)
FROM STDIN (FORMAT BINARY)
"""
_PUT_TRUTHS = """
INSERT INTO truths (hash, name, row, time_ns, truth, known_ns, source, window_id)
SELECT * FROM unnest(%(keys)s::bigint[], %(names)s::text[], %(rows)s::bigint[], %(times)s::bigint[],
  %(values)s::text[], %(known)s::bigint[], %(sources)s::bigint[], %(windows)s::bigint[])
ON CONFLICT (hash, name, row, time_ns) DO UPDATE SET
  truth = excluded.truth, known_ns = excluded.known_ns, source = excluded.source,
  window_id = excluded.window_id
"""
_RELEASE = """
DELETE FROM waiting_truths w USING unnest(%(names)s::text[], %(rows)s::bigint[],
  %(subjects)s::text[], %(times)s::bigint[]) AS old (name, row, subject, time_ns)
WHERE w.entity = %(entity)s AND w.name = old.name AND w.row = old.row AND w.subject = old.subject
  AND w.time_ns = old.time_ns
"""
_PUT_WAITING = """
INSERT INTO waiting_truths (entity, name, row, subject, time_ns, truth, known_ns, source, arrived_ns,
                            due_ns)
SELECT %(entity)s, * FROM unnest(%(names)s::text[], %(rows)s::bigint[], %(subjects)s::text[],
  %(times)s::bigint[], %(values)s::text[], %(known)s::bigint[], %(sources)s::bigint[],
  %(arrived)s::bigint[], %(due)s::bigint[])
ON CONFLICT (entity, name, row, subject, time_ns) DO UPDATE SET
  truth = excluded.truth, known_ns = excluded.known_ns, source = excluded.source,
  due_ns = excluded.due_ns
"""
_PUT_WINDOWS = """
UPDATE judged_windows w SET definition = new.definition, labelled = new.labelled, lags = new.lags,
  payload = new.payload, crc = new.crc, series = new.series, received_ns = %(now)s
FROM unnest(%(ids)s::bigint[], %(definitions)s::text[], %(labelled)s::bigint[], %(lags)s::text[],
  %(payloads)s::bytea[], %(crcs)s::bigint[], %(series)s::bigint[])
  AS new (id, definition, labelled, lags, payload, crc, series)
WHERE w.id = new.id
"""
_TOTAL = """
INSERT INTO truth_totals (entity, outcome, rows) VALUES (%(entity)s, %(outcome)s, %(rows)s)
ON CONFLICT (entity, outcome) DO UPDATE SET rows = truth_totals.rows + excluded.rows
"""
_REMOVE = """
DELETE FROM truths WHERE ctid = ANY(ARRAY(
  SELECT t.ctid FROM truths t JOIN judged_windows w ON w.id = t.window_id
  WHERE w.end_ns < %(before)s AND w.received_ns < %(before)s LIMIT %(limit)s))
"""


class Truths:
    """Joins, reads and removes ground truth."""

    def __init__(
        self,
        database: Database,
        partitions: Partitions,
        predictions: Predictions,
        revisions: Revisions,
    ) -> None:
        self._database = database
        self._partitions = partitions
        self._predictions = predictions
        self._revisions = revisions

    def join(
        self, chunk: TruthChunk, definition: PerformanceDefinition, now_ns: int
    ) -> ChunkAnswer:
        """Join the rows of *chunk* with the logged predictions, in one transaction."""
        received_ns = self._partitions.ensure(now_ns)

        def work(session: Session) -> ChunkAnswer:
            key = {"entity": chunk.entity, "source": chunk.source, "number": chunk.number}
            session.rows(LOCK_LABELS, key)
            before = session.row(_CHUNK, key)
            if before is not None:
                return ChunkAnswer(counts_of(before[0]), is_repeated=True)
            source = source_number(chunk.source)
            rows = [ToldTruth(truth, source, now_ns) for truth in chunk.rows]
            joined = join(self._tables(session), definition, rows, (), now_ns)
            refused = Counter(chunk.refused)
            counts = Counter(joined.outcomes) + refused
            self._save(session, chunk.entity, joined, refused, received_ns)
            told = {"position": chunk.position, "counts": counts_text(counts), "now": now_ns}
            if chunk.source is not None:
                session.execute(_ADD_CHUNK, {**key, **told})
            return ChunkAnswer(counts, is_repeated=False)

        try:
            return self._database.write(work)
        except StoreUnavailable:
            self._partitions.forget()
            raise

    def join_waiting(self, definition: PerformanceDefinition, now_ns: int, limit: int) -> int:
        """Look for the predictions of rows that wait and are due, at most *limit*."""
        received_ns = self._partitions.ensure(now_ns)
        asked = {"entity": definition.entity, "now": now_ns, "limit": limit}

        def work(session: Session) -> int:
            session.rows(LOCK_LABELS, asked)
            due = [waiting_of(row) for row in session.rows(_DUE, asked)]
            if due:
                joined = join(self._tables(session), definition, (), due, now_ns)
                self._save(session, definition.entity, joined, Counter(), received_ns)
            return len(due)

        return self._database.write(work)

    def progress(self, entity: str, source: bytes) -> SourceProgress:
        """Return how far *source* has been joined."""
        asked = {"entity": entity, "source": source}
        return progress_of(self._database.read(lambda session: session.rows(_PROGRESS, asked)))

    def totals(self, entity: str) -> TruthTotals:
        """Return what became of all ground truth of *entity*."""
        asked = {"entity": entity}

        def read(session: Session) -> TruthTotals:
            rows = session.rows(
                "SELECT outcome, rows FROM truth_totals WHERE entity = %(entity)s", asked
            )
            ((oldest,),) = session.rows(
                "SELECT min(arrived_ns) FROM waiting_truths WHERE entity = %(entity)s", asked
            )
            return totals_of(rows, oldest)

        return self._database.read(read)

    def windows(self, entity: str, start_ns: int, end_ns: int, limit: int) -> list[JudgedWindow]:
        """List the windows of *entity* that overlap [start, end), newest first, at most *limit*."""
        asked = {"entity": entity, "start": start_ns, "end": end_ns, "limit": limit}
        rows = self._database.read(lambda session: session.rows(_WINDOWS, asked))
        return [window_of(row) for row in rows]

    def waiting_entities(self, now_ns: int) -> Sequence[str]:
        """List the entities with rows that wait and are due."""
        rows = self._database.read(
            lambda session: session.rows(
                "SELECT DISTINCT entity FROM waiting_truths WHERE due_ns <= %(now)s "
                "ORDER BY entity",
                {"now": now_ns},
            )
        )
        return [entity for (entity,) in rows]

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove labels of old windows, and chunks, a limited number at a time."""
        asked = {"before": now_ns - keep_ns, "limit": MOST_REMOVED}

        def remove(session: Session) -> int:
            labels = session.execute(_REMOVE, asked)
            windows = 0
            if labels < MOST_REMOVED:
                windows = session.execute(
                    "DELETE FROM judged_windows w WHERE end_ns < %(before)s "
                    "AND received_ns < %(before)s AND NOT EXISTS (SELECT FROM truths WHERE window_id = w.id)",
                    asked,
                )
            chunks = session.execute(
                "DELETE FROM truth_chunks WHERE received_ns < %(before)s", asked
            )
            return labels + windows + chunks

        return self._database.write(remove)

    def _tables(self, session: Session) -> SessionTables:
        return SessionTables(session, self._predictions)

    def _save(
        self,
        session: Session,
        entity: str,
        joined: Joined,
        refused: Counter[Outcome],
        now_ns: int,
    ) -> None:
        _put_labels(session, entity, joined)
        if joined.released:
            names, rows, subjects, times = columns(joined.released)
            places = {"names": names, "rows": rows, "subjects": subjects, "times": times}
            session.execute(_RELEASE, {"entity": entity, **places})
        if joined.waits:
            _put_waiting(session, entity, list(joined.waits.values()), now_ns)
        if joined.windows:
            series = self._revisions.replace(session, entity, joined.windows, now_ns)
            _put_windows(session, joined.windows, series, now_ns)
        totals = joined.totals
        totals.update(refused)
        for outcome, rows_of in sorted(totals.items(), key=lambda one: one[0].value):
            total = {"entity": entity, "outcome": outcome.value, "rows": rows_of}
            session.execute(_TOTAL, total)


def _put_labels(session: Session, entity: str, joined: Joined) -> None:
    """Add new labels, and replace the others; the lock of the entity keeps new labels new."""
    rows = [label_row(entity, key, one) for key, one in joined.labels.items()]
    new = sorted(one for one, key in zip(rows, joined.labels, strict=True) if key in joined.new)
    if new:
        keys, texts, numbers, times, values, *others = zip(*new, strict=True)
        integers = (keys, numbers, times, *others)
        session.copy(_COPY_TRUTHS, packed_rows(texts, integers, [one.encode() for one in values]))
    if len(new) < len(rows):
        old = sorted(
            one for one, key in zip(rows, joined.labels, strict=True) if key not in joined.new
        )
        names = ("keys", "names", "rows", "times", "values", "known", "sources", "windows")
        session.execute(_PUT_TRUTHS, dict(zip(names, columns(old), strict=True)))


def _put_waiting(session: Session, entity: str, waits: Sequence[ToldTruth], now_ns: int) -> None:
    rows = [waiting_row(one, next_search_ns(one.arrived_ns, now_ns)) for one in waits]
    names = (
        *("names", "rows", "subjects", "times", "values", "known", "sources", "arrived", "due"),
    )
    values = dict(zip(names, columns(rows), strict=True))
    session.execute(_PUT_WAITING, {"entity": entity, **values})


def _put_windows(
    session: Session, windows: Sequence[RevisedWindow], series: Sequence[int], now_ns: int
) -> None:
    after = [one.after for one in windows]
    session.execute(
        _PUT_WINDOWS,
        {
            "now": now_ns,
            "ids": [one.id for one in after],
            "definitions": [one.definition for one in after],
            "labelled": [one.labelled for one in after],
            "lags": [lags_text(one.lags) for one in after],
            "payloads": [one.payload for one in after],
            "crcs": [checksum(one.payload) for one in after],
            "series": list(series),
        },
    )
