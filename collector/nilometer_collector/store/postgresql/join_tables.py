"""What a join of ground truth reads in PostgreSQL, inside its transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import LiteralString

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    Place,
    PredictionKey,
    ToldTruth,
)
from nilometer_collector.store import label_text
from nilometer_collector.store.postgresql.arrays import Bigints, Texts
from nilometer_collector.store.postgresql.predictions import Predictions
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.predicting import key_of
from nilometer_collector.store.truth_records import JudgedWindow, WindowKey
from nilometer_collector.store.truth_rows import known_of, waiting_of, window_of

WINDOW: LiteralString = (
    "id, start_ns, end_ns, labels, definition, labelled, lags, payload, crc, series, received_ns"
)
WAITING: LiteralString = (
    "w.name, w.row, w.subject, w.time_ns, w.truth, w.known_ns, w.source, w.arrived_ns"
)
_TRUTH: LiteralString = "name, row, time_ns, truth, known_ns, source, window_id"
_KNOWN = f"SELECT {_TRUTH} FROM truths WHERE hash = ANY(%(keys)s::bigint[])"  # noqa: S608
_HELD = f"""
SELECT {WAITING} FROM unnest(%(names)s::text[], %(rows)s::bigint[], %(subjects)s::text[],
  %(times)s::bigint[]) AS asked (name, row, subject, time_ns)
JOIN waiting_truths w ON w.entity = %(entity)s AND w.name = asked.name AND w.row = asked.row
  AND w.subject = asked.subject AND w.time_ns = asked.time_ns
"""  # noqa: S608
_ADD_WINDOWS = """
INSERT INTO judged_windows (entity, start_ns, end_ns, labels, labels_digest, definition, labelled,
                            lags, payload, crc, series, received_ns)
SELECT %(entity)s, start_ns, end_ns, labels, digest, '', 0, '{}', '', 0, 0, 0
FROM unnest(%(starts)s::bigint[], %(ends)s::bigint[], %(labels)s::text[], %(digests)s::bytea[])
     AS new (start_ns, end_ns, labels, digest)
ON CONFLICT (entity, start_ns, end_ns, labels_digest) DO NOTHING
"""
_WINDOW_IDS = """
SELECT w.start_ns, w.end_ns, w.labels, w.id
FROM unnest(%(starts)s::bigint[], %(ends)s::bigint[], %(digests)s::bytea[])
     AS asked (start_ns, end_ns, digest)
JOIN judged_windows w ON w.entity = %(entity)s AND w.start_ns = asked.start_ns
  AND w.end_ns = asked.end_ns AND w.labels_digest = asked.digest
"""
_BY_ID = f"SELECT {WINDOW} FROM judged_windows WHERE id = ANY(%(ids)s::bigint[])"  # noqa: S608
_OF_WINDOW = f"SELECT {_TRUTH} FROM truths WHERE window_id = %(window)s"  # noqa: S608
_WAITING_NOW = """
SELECT rows FROM truth_totals WHERE entity = %(entity)s AND outcome = %(outcome)s
"""


class SessionTables:
    """Reads in one transaction.

    Args:
        session: Session of the transaction, which holds the lock of the entity.
        predictions: Logged predictions.
    """

    def __init__(self, session: Session, predictions: Predictions) -> None:
        self._session = session
        self._predictions = predictions

    def find(self, entity: str, keys: Collection[PredictionKey]) -> Mapping[PredictionKey, Found]:
        """Return logged predictions with ids; those that are not in the log are left out."""
        return self._predictions.by_key_in(self._session, entity, keys)

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> Mapping[str, list[PredictionRecord]]:
        """Return logged predictions of a span by subject, oldest first."""
        return self._predictions.of_subjects_in(self._session, entity, subjects, start_ns, end_ns)

    def known(
        self, entity: str, keys: Collection[PredictionKey]
    ) -> Mapping[PredictionKey, KnownTruth]:
        """Return the stored labels of *keys*."""
        hashes = Bigints(sorted({key_of(entity, key.name) for key in keys}))
        found = known_of(self._session.rows(_KNOWN, {"keys": hashes}))
        return {key: found[key] for key in keys if key in found}

    def waiting(self, entity: str, places: Collection[Place]) -> Mapping[Place, ToldTruth]:
        """Return the rows that wait at *places*."""
        asked = {
            "entity": entity,
            "names": Texts([place.prediction_id for place in places]),
            "rows": Bigints([place.row for place in places]),
            "subjects": Texts([place.subject for place in places]),
            "times": Bigints([place.time_ns for place in places]),
        }
        rows = self._session.rows(_HELD, asked)
        return {told.place: told for told in map(waiting_of, rows)}

    def count_waiting(self, entity: str) -> int:
        """Return the number of rows of *entity* that wait, as it is stored, without counting them."""
        asked = {"entity": entity, "outcome": Outcome.WAITING.value}
        row = self._session.row(_WAITING_NOW, asked)
        return 0 if row is None else int(row[0])

    def window_ids(self, entity: str, keys: Collection[WindowKey]) -> Mapping[WindowKey, int]:
        """Return the id of each window; create those that do not exist."""
        ordered = sorted(keys)
        asked = {
            "entity": entity,
            "starts": [key.start_ns for key in ordered],
            "ends": [key.end_ns for key in ordered],
            "labels": [key.labels for key in ordered],
            "digests": [label_text.digest(key.labels) for key in ordered],
        }
        rows = self._session.rows(_WINDOW_IDS, asked)
        if len(rows) < len(ordered):
            self._session.execute(_ADD_WINDOWS, asked)
            rows = self._session.rows(_WINDOW_IDS, asked)
        return {WindowKey(*row[:3]): row[3] for row in rows}

    def judged_windows(self, ids: Collection[int]) -> Mapping[int, JudgedWindow]:
        """Return windows by id."""
        rows = self._session.rows(_BY_ID, {"ids": sorted(ids)})
        return {window.id: window for window in map(window_of, rows)}

    def labels_of(self, window: int) -> Mapping[PredictionKey, KnownTruth]:
        """Return the labels that are counted in a window."""
        return known_of(self._session.rows(_OF_WINDOW, {"window": window}))
