"""Removes a summary that users log from SQLite, with its samples, in transactions of limited size."""

from nilometer_collector.store.sqlite.database import Database

MOST_REMOVED = 5000  # rows of each table in one transaction

_TYPE = "SELECT 1 FROM logged_summaries WHERE entity = ? AND summary = ?"
_REMOVE_TYPE = "DELETE FROM logged_summaries WHERE entity = ? AND summary = ?"
_REMOVE_SERIES = "DELETE FROM series WHERE entity = ? AND summary = ?"
_OWN = "SELECT id FROM series WHERE entity = ?1 AND summary = ?2"
_REMOVE_SAMPLES = f"""
DELETE FROM samples WHERE id IN (SELECT id FROM samples WHERE series IN ({_OWN}) LIMIT ?3)
RETURNING 0, length(payload)
"""  # noqa: S608
_REMOVE_ROLLUPS = f"""
DELETE FROM rollups WHERE id IN (SELECT id FROM rollups WHERE series IN ({_OWN}) LIMIT ?3)
RETURNING level_ns, length(payload)
"""  # noqa: S608
_REMOVE_STALE = f"""
DELETE FROM stale_parts
WHERE (series, level_ns, window_start_ns, window_end_ns, arrival_day) IN (
  SELECT series, level_ns, window_start_ns, window_end_ns, arrival_day
  FROM stale_parts WHERE series IN ({_OWN}) LIMIT ?3)
RETURNING 1
"""  # noqa: S608
_COUNT = "UPDATE levels SET rows = rows - 1, bytes = bytes - ? WHERE level_ns = ?"


def forget(database: Database, entity: str, summary: str) -> bool:
    """Remove the summary, its type and its samples; return False if users log no such summary.

    Other writers get their turn between two transactions. Samples that arrive meanwhile are removed,
    too. After a crash, the summary has lost a part of its samples, and a second call removes the rest.
    """
    while True:
        with database.write():
            if database.row(_TYPE, (entity, summary)) is None:
                return False
            if _forget_some(database, entity, summary):
                return True


def _forget_some(database: Database, entity: str, summary: str) -> bool:
    """Remove some rows of a summary, inside a transaction; return whether nothing is left of it."""
    asked = (entity, summary, MOST_REMOVED)
    sizes = [*database.rows(_REMOVE_SAMPLES, asked), *database.rows(_REMOVE_ROLLUPS, asked)]
    database.execute_many(_COUNT, [(size, level) for level, size in sizes])
    if len(sizes) + len(database.rows(_REMOVE_STALE, asked)) >= MOST_REMOVED:
        return False
    database.execute(_REMOVE_SERIES, (entity, summary))
    database.execute(_REMOVE_TYPE, (entity, summary))
    return True
