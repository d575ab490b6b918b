"""Collects the additions of shipments into the statistics of series and the stale parts."""

import logging
from functools import partial
from typing import LiteralString

from nilometer_collector.store.levels import Level
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

MOST_COLLECTED = 20_000  # additions in one transaction
MOST_COLLECTIONS = 10  # transactions in one call, for each table
FIRST = "(0,0)"  # position before all rows of a table

# Whoever changes waiting additions holds this lock until its transaction ends.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer additions', 0))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('nilometer additions', 0))"
# A call reads a table once from its start, so that each transaction passes over the rows that
# earlier ones have deleted. It reads no more rows than it may take; each has at least one addition.
_TAKE_SINGLE: LiteralString = """
WITH taken AS (
  DELETE FROM additions WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM additions WHERE ctid > %(after)s::tid LIMIT %(limit)s))
  RETURNING *, ctid AS place)
"""


def shipped_taken(condition: LiteralString) -> LiteralString:
    """Return clauses that delete rows of shipments, and yield their additions as the table `taken`.

    The rows with at least ``%(limit)s`` additions together are the last ones.

    Args:
        condition: Condition for the rows of `shipped_additions`.
    """
    return f"""
WITH shipped AS (
  DELETE FROM shipped_additions WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM (SELECT ctid, sum(rows) OVER (ORDER BY ctid) - rows AS rows_before
                      FROM (SELECT ctid, rows FROM shipped_additions WHERE {condition}
                            LIMIT %(limit)s) AS next) AS waiting
    WHERE rows_before < %(limit)s))
  RETURNING *, ctid AS place),
taken AS (
  SELECT entity, unnest(series) AS series, window_start_ns, window_end_ns, arrival_day, due_ns,
         received_ns, unnest(seen) AS seen, unnest(numbers) AS numbers,
         unnest(categories) AS categories, 1 AS samples, start_ns, end_ns,
         unnest(sequences) AS sequence, place
  FROM shipped)
"""  # noqa: S608


_TAKE_SHIPPED: LiteralString = shipped_taken("ctid > %(after)s::tid")
# Rows are written in key order, like those of `RollUps.put`.
_COLLECT: LiteralString = """,
sums AS (
  SELECT entity, series, LEAST(sum(seen), 9007199254740992) AS seen,
         LEAST(sum(numbers), 9007199254740992) AS numbers,
         LEAST(sum(categories), 9007199254740992) AS categories, sum(samples) AS samples,
         min(start_ns) AS first_start_ns, max(end_ns) AS last_end_ns,
         max(end_ns - start_ns) AS longest_window_ns,
         (max(ARRAY[received_ns, sequence, end_ns - start_ns]))[3] AS last_window_ns,
         max(received_ns) AS received_ns
  FROM taken WHERE samples > 0 GROUP BY entity, series),
counted AS (
  UPDATE series SET
    seen = LEAST(series.seen + new.seen, 9007199254740992),
    numbers = LEAST(series.numbers + new.numbers, 9007199254740992),
    categories = LEAST(series.categories + new.categories, 9007199254740992),
    samples = series.samples + new.samples,
    first_start_ns = LEAST(series.first_start_ns, new.first_start_ns),
    last_end_ns = GREATEST(series.last_end_ns, new.last_end_ns),
    longest_window_ns = GREATEST(series.longest_window_ns, new.longest_window_ns),
    last_window_ns = CASE WHEN new.received_ns >= series.last_received_ns THEN new.last_window_ns
                          ELSE series.last_window_ns END,
    last_received_ns = GREATEST(series.last_received_ns, new.received_ns)
  FROM sums new WHERE series.entity = new.entity AND series.id = new.series),
known AS (
  SELECT entity, series FROM (SELECT DISTINCT entity, series FROM taken) AS named
  WHERE EXISTS (SELECT FROM series WHERE series.entity = named.entity AND series.id = named.series)),
marked AS (
INSERT INTO stale_parts (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day,
                         due_ns, version)
SELECT entity, series, %(level)s, window_start_ns, window_end_ns, arrival_day, min(due_ns), 1
FROM taken JOIN known USING (entity, series)
GROUP BY entity, series, window_start_ns, window_end_ns, arrival_day
ORDER BY entity, series, window_start_ns, window_end_ns, arrival_day
ON CONFLICT (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day) DO UPDATE SET
  version = stale_parts.version + 1)
SELECT count(*), max(place)::text, count(*) FILTER (WHERE known.series IS NULL)
FROM taken LEFT JOIN known USING (entity, series)
"""

log = logging.getLogger("nilometer.collector")


def collect(database: Database) -> int:
    """Collect waiting additions, a limited number in one call; return their number.

    One collector does this at a time. Another one does not wait for it: it collects nothing.
    """
    return sum(_collect_all(database, take) for take in (_TAKE_SHIPPED, _TAKE_SINGLE))


def _collect_all(database: Database, take: LiteralString) -> int:
    """Collect the additions of the table that *take* deletes from; return their number."""
    after, done = FIRST, 0
    for _ in range(MOST_COLLECTIONS):
        collected, after, lost = database.write(partial(_collect, take=take, after=after))
        done += collected
        if lost:
            log.error(
                "stored samples are in no roll-up, because their series was removed by hand or by a "
                "restore: stop all collectors before you restore a database",
                extra={"samples": lost},
            )
        if collected < MOST_COLLECTED:
            break
    return done


def _collect(session: Session, *, take: LiteralString, after: str) -> tuple[int, str, int]:
    """Collect the additions that *take* deletes behind *after*, in a transaction.

    Returns:
        Number of additions, position of the last one, and number of those without a series.
    """
    ((is_free,),) = session.rows(_TRY_LOCK)
    if not is_free:
        return 0, after, 0
    asked = {"level": Level.FIVE_MINUTES.length_ns, "limit": MOST_COLLECTED, "after": after}
    ((collected, last, lost),) = session.rows(take + _COLLECT, asked)
    return collected, last or after, lost
