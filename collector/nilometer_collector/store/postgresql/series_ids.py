"""The ids of series, which are kept between shipments and created when they are missing."""

import threading
from collections.abc import Mapping
from typing import NamedTuple

from nilometer_collector.store import label_text
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.shipments import SampleRow

MOST_KEPT = 50_000  # ids, in at most 30 MB

# Only `Entities.forget` deletes a series, one of a summary that users log. All other ids stay valid
# on the same running server. A server that was promoted or restored may lack the newest series. It
# counts as another server, so its ids are looked up again. The transaction itself asks for the server,
# because a connection pooler may change the server behind a connection.
_SERVER = """
SELECT concat_ws('/', pg_postmaster_start_time(), inet_server_addr(), inet_server_port(),
                 (SELECT oid FROM pg_database WHERE datname = current_database()))
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


class SeriesKey(NamedTuple):
    """The identity of a series; its label set is identified by a digest of fixed size."""

    entity: str
    summary: str
    digest: bytes


class SeriesIds:
    """Finds ids of series, and keeps those of committed series that are never deleted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server = ""
        self._kept: dict[SeriesKey, int] = {}

    def of(self, session: Session, series: Mapping[SeriesKey, SampleRow]) -> dict[SeriesKey, int]:
        """Return the id of each of *series*, inside a transaction; creates missing series.

        The transaction must hold the types of logged samples (`Entities.settle`), so that their
        series cannot be deleted before it ends.

        Args:
            session: Session in a transaction.
            series: Any of the samples to store, for each series.

        Raises:
            Refused: If PostgreSQL cannot store a name or a label.
        """
        ((server,),) = session.rows(_SERVER)
        with self._lock:
            if server != self._server:
                self._server, self._kept = server, {}
            kept = self._kept
            ids = {key: kept[key] for key in series if key in kept}
        missing = [key for key in series if key not in ids]
        if missing:
            found = _found(session, missing)
            # Only series of other transactions are found here, so they are committed.
            with self._lock:
                if len(kept) + len(found) > MOST_KEPT:
                    kept.clear()
                kept.update({key: found[key] for key in found if series[key].logged is None})
            ids.update(found)
            if len(found) < len(missing):
                ids.update(_created(session, {key: series[key] for key in missing}))
        return ids


def _found(session: Session, keys: list[SeriesKey]) -> dict[SeriesKey, int]:
    rows = session.rows(_FIND, _columns(keys))
    return {keys[number - 1]: identity for identity, number in rows}


def _created(session: Session, series: Mapping[SeriesKey, SampleRow]) -> dict[SeriesKey, int]:
    keys = list(series)
    labels = [label_text.to_text(one.labels) for one in series.values()]
    starts = [one.window.start_ns for one in series.values()]
    session.execute(_CREATE, {**_columns(keys), "labels": labels, "starts": starts})
    return _found(session, keys)


def _columns(keys: list[SeriesKey]) -> dict[str, object]:
    return {
        "entities": [key.entity for key in keys],
        "summaries": [key.summary for key in keys],
        "digests": [key.digest for key in keys],
    }
