"""Removes a summary that users log from PostgreSQL, with its samples, in transactions of limited size."""

from collections import Counter
from functools import partial
from typing import LiteralString

from nilometer_collector.store.postgresql.collecting import LOCK, shipped_taken
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

MOST_REMOVED = 5000  # rows of each table in one transaction

# Waits for shipments that rely on the type, and lets later ones wait.
_LOCK_TYPE = """
SELECT 1 FROM logged_summaries WHERE entity = %(entity)s AND summary = %(summary)s FOR UPDATE
"""
# Waits for a roll-up or a removal that is being stored, and lets later ones wait or do nothing.
_LOCK_ROLLUPS = "SELECT 1 FROM work_leases WHERE name = 'rollups' FOR UPDATE"
_OWN = "SELECT id FROM series WHERE entity = %(entity)s AND summary = %(summary)s"
_IDS = f"SELECT COALESCE(array_agg(id), '{{}}') FROM ({_OWN}) AS own"  # noqa: S608
# A position is unique in one partition only. The ids let the index find the rows a second time.
_REMOVE_SAMPLES = """
DELETE FROM samples USING (
  SELECT tableoid AS part, ctid AS place FROM samples WHERE series = ANY(%(ids)s)
  LIMIT %(limit)s) AS picked
WHERE samples.series = ANY(%(ids)s) AND samples.tableoid = picked.part AND samples.ctid = picked.place
RETURNING stream, received_ns / 86400000000000, octet_length(payload)
"""
_REMOVE_ROLLUPS = """
DELETE FROM rollups WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM rollups WHERE entity = %(entity)s AND series = ANY(%(ids)s) LIMIT %(limit)s))
RETURNING level_ns, octet_length(payload)
"""
_REMOVE_ADDITIONS = """
DELETE FROM additions WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM additions WHERE series = ANY(%(ids)s) LIMIT %(limit)s))
"""
# A row of a shipment is for several series, so its other samples become rows of their own.
_SHIPPED = shipped_taken("entity = %(entity)s AND series && %(ids)s::bigint[]")
_UNPACK: LiteralString = f"""{_SHIPPED},
kept AS (
  INSERT INTO additions (entity, series, window_start_ns, window_end_ns, arrival_day, due_ns,
                         received_ns, seen, numbers, categories, samples, start_ns, end_ns, sequence)
  SELECT entity, series, window_start_ns, window_end_ns, arrival_day, due_ns,
         received_ns, seen, numbers, categories, samples, start_ns, end_ns, sequence
  FROM taken WHERE series <> ALL(%(ids)s::bigint[]))
SELECT count(*) FROM taken
"""  # noqa: S608
_REMOVE_STALE = """
DELETE FROM stale_parts WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM stale_parts WHERE entity = %(entity)s AND series = ANY(%(ids)s) LIMIT %(limit)s))
"""
_REMOVE_SERIES = "DELETE FROM series WHERE entity = %(entity)s AND summary = %(summary)s"
_REMOVE_TYPE = """
DELETE FROM logged_summaries WHERE entity = %(entity)s AND summary = %(summary)s
"""
_ARRIVALS = """
UPDATE arrivals SET rows = rows - %(rows)s, bytes = bytes - %(bytes)s
WHERE stream = %(stream)s AND arrival_day = %(day)s
"""
_COUNT = """
UPDATE levels SET rows = rows - %(rows)s, bytes = bytes - %(bytes)s WHERE level_ns = %(level)s
"""


def forget(database: Database, entity: str, summary: str) -> bool:
    """Remove the summary, its type and its samples; return False if users log no such summary.

    Other writers get their turn between two transactions. Samples that arrive meanwhile are removed,
    too. After a crash, the summary has lost a part of its samples, and a second call removes the rest.
    """
    step = partial(_forget_some, entity=entity, summary=summary)
    done = database.write(step)
    while done is False:
        done = database.write(step)
    return done is not None


def _forget_some(session: Session, *, entity: str, summary: str) -> bool | None:
    """Remove some rows of a summary; return whether nothing is left of it, None if there is none."""
    asked: dict[str, object] = {"entity": entity, "summary": summary, "limit": MOST_REMOVED}
    if session.row(_LOCK_TYPE, asked) is None:
        return None
    session.rows(_LOCK_ROLLUPS)
    session.rows(LOCK)
    ((asked["ids"],),) = session.rows(_IDS, asked)
    samples = session.rows(_REMOVE_SAMPLES, asked)
    _count_arrivals(session, samples)
    rollups = session.rows(_REMOVE_ROLLUPS, asked)
    _count_levels(session, rollups)
    ((unpacked,),) = session.rows(_UNPACK, asked)
    removed = int(unpacked) + len(samples) + len(rollups)
    removed += session.execute(_REMOVE_ADDITIONS, asked) + session.execute(_REMOVE_STALE, asked)
    if removed >= MOST_REMOVED:
        return False
    session.execute(_REMOVE_SERIES, asked)
    session.execute(_REMOVE_TYPE, asked)
    return True


def _count_arrivals(session: Session, samples: list[tuple[int, int, int]]) -> None:
    rows = Counter((stream, day) for stream, day, _ in samples)
    sizes: Counter[tuple[int, int]] = Counter()
    for stream, day, size in samples:
        sizes[stream, day] += size
    for (stream, day), count in sorted(rows.items()):
        told = {"stream": stream, "day": day, "rows": count, "bytes": sizes[stream, day]}
        session.execute(_ARRIVALS, told)


def _count_levels(session: Session, rollups: list[tuple[int, int]]) -> None:
    rows = Counter(level for level, _ in rollups)
    sizes: Counter[int] = Counter()
    for level, size in rollups:
        sizes[level] += size
    for level, count in sorted(rows.items()):
        session.execute(_COUNT, {"level": level, "rows": count, "bytes": sizes[level]})
