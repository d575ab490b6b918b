"""Replaces the samples of judged predictions in PostgreSQL; all other samples never change."""

from collections.abc import Sequence

from nilometer_collector.store.levels import Level, arrival_day
from nilometer_collector.store.postgresql.reading import held_from
from nilometer_collector.store.postgresql.samples import Samples
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.stale import due_ns
from nilometer_collector.store.truth_records import RevisedWindow
from nilometer_collector.store.truth_rows import JOINED, epoch_of

_STREAM = "SELECT id FROM streams WHERE agent = %(agent)s AND epoch = %(epoch)s"
_NEW_STREAM = """
INSERT INTO streams (agent, epoch, high_water, received_ns)
VALUES (%(agent)s, %(epoch)s, 0, %(now)s) ON CONFLICT (agent, epoch) DO NOTHING
"""
_BEFORE = """
unnest(%(series)s::bigint[], %(starts)s::bigint[], %(ends)s::bigint[], %(received)s::bigint[],
       %(ids)s::bigint[], %(seen)s::bigint[], %(numbers)s::bigint[], %(categories)s::bigint[],
       %(due)s::bigint[])
AS old (series, start_ns, end_ns, received_ns, id, seen, numbers, categories, due_ns)
"""
_REMOVE = f"""
DELETE FROM samples USING {_BEFORE}
WHERE samples.series = old.series AND samples.window_start_ns = old.start_ns
  AND samples.received_ns = old.received_ns AND samples.stream = %(stream)s
  AND samples.sequence = old.id RETURNING old.received_ns, octet_length(payload)
"""  # noqa: S608
# Rows are written in key order, like those of the collection.
_SUBTRACT = f"""
WITH locked AS (
  SELECT s.id, old.seen, old.numbers, old.categories FROM {_BEFORE} JOIN series s
  ON s.entity = %(entity)s AND s.id = old.series ORDER BY s.id FOR UPDATE OF s),
sums AS (
  SELECT id, sum(seen) AS seen, sum(numbers) AS numbers, sum(categories) AS categories,
         count(*) AS samples FROM locked GROUP BY id)
UPDATE series SET seen = series.seen - sums.seen, numbers = series.numbers - sums.numbers,
  categories = series.categories - sums.categories, samples = series.samples - sums.samples
FROM sums WHERE series.entity = %(entity)s AND series.id = sums.id
"""  # noqa: S608
# An addition without samples only marks the part.
_MARK = f"""
INSERT INTO additions (entity, series, window_start_ns, window_end_ns, arrival_day, due_ns, received_ns)
SELECT %(entity)s, series, start_ns, end_ns, received_ns / 86400000000000, due_ns, received_ns
FROM {_BEFORE}
"""  # noqa: S608
# Reads take a roll-up whose samples retention has removed, so it is removed at once.
_CLEAR = f"""
DELETE FROM rollups USING {_BEFORE}
WHERE rollups.entity = %(entity)s AND rollups.series = old.series AND level_ns = 300000000000
  AND window_start_ns = old.start_ns AND window_end_ns = old.end_ns
  AND rollups.arrival_day = old.received_ns / 86400000000000 AND rollups.arrival_day < %(held)s
RETURNING octet_length(payload)
"""  # noqa: S608
_COUNT = """
UPDATE levels SET rows = rows - %(rows)s, bytes = bytes - %(bytes)s WHERE level_ns = 300000000000
"""
_ARRIVALS = """
UPDATE arrivals SET rows = rows - %(rows)s, bytes = bytes - %(bytes)s
WHERE stream = %(stream)s AND arrival_day = %(day)s
"""


class Revisions:
    """Replaces samples inside a transaction. A sample moves to the day of its revision."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def replace(
        self, session: Session, entity: str, windows: Sequence[RevisedWindow], now_ns: int
    ) -> list[int]:
        """Replace the sample of each window, which arrives at *now_ns*; return its series."""
        key = {"agent": JOINED, "epoch": epoch_of(entity), "now": now_ns}
        found = session.row(_STREAM, key)
        if found is None:
            session.execute(_NEW_STREAM, key)
            (found,) = session.rows(_STREAM, key)
        stream = int(found[0])
        replaced = [one for one in windows if one.before.series]
        if replaced:
            _withdraw(session, entity, replaced, stream, now_ns)
        rows = sorted(((one.before.id, one.row) for one in windows), key=lambda row: row[0])
        return self._samples.add(session, rows, stream, now_ns)


def _withdraw(
    session: Session, entity: str, windows: Sequence[RevisedWindow], stream: int, now_ns: int
) -> None:
    rows = [one.before_row for one in windows]
    before = [one.before for one in windows]
    level = Level.FIVE_MINUTES
    values = {
        "entity": entity,
        "stream": stream,
        "series": [one.series for one in before],
        "starts": [one.key.start_ns for one in before],
        "ends": [one.key.end_ns for one in before],
        "received": [one.received_ns for one in before],
        "ids": [one.id for one in before],
        "seen": [0 if row is None else row.seen for row in rows],
        "numbers": [0 if row is None else row.numbers for row in rows],
        "categories": [0 if row is None else row.categories for row in rows],
        "due": [due_ns(level, one.key.end_ns, now_ns) for one in before],
        "held": held_from(session)[Level.SHIPPED],
    }
    removed = session.rows(_REMOVE, values)
    for day in sorted({arrival_day(received_ns) for received_ns, _ in removed}):
        sizes = [size for received_ns, size in removed if arrival_day(received_ns) == day]
        told = {"stream": stream, "day": day, "rows": len(sizes), "bytes": sum(sizes)}
        session.execute(_ARRIVALS, told)
    session.execute(_SUBTRACT, values)
    session.execute(_MARK, values)
    cleared = session.rows(_CLEAR, values)
    if cleared:
        told = {"rows": len(cleared), "bytes": sum(size for (size,) in cleared)}
        session.execute(_COUNT, told)
