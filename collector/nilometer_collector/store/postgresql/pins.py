"""Pinned spans in PostgreSQL."""

from collections.abc import Sequence

from nilometer_collector.store.levels import BY_LENGTH, Level
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.reading import Question, stretches
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import SampleRecord, SeriesRecord
from nilometer_collector.store.rows import series_of

_PUT = """
INSERT INTO pins (name, entity, series, level_ns, start_ns, end_ns)
SELECT %(name)s, entity, id, %(level)s, %(start)s, %(end)s
FROM unnest(%(entities)s::text[], %(ids)s::bigint[]) AS new (entity, id)
"""
_PINNED = """
SELECT s.id, s.entity, summary, labels_text, seen, numbers, categories, samples, first_start_ns,
       last_end_ns, longest_window_ns, last_window_ns, last_received_ns, level_ns, start_ns, end_ns
FROM pins JOIN series_now s ON s.entity = pins.entity AND s.id = pins.series
WHERE name = %(name)s ORDER BY s.id
"""
_REMOVE = "DELETE FROM pins WHERE name = %(name)s"


class Pins:
    """Named spans of series, whose roll-ups are kept beyond their retention."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        name: str,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        level: Level = Level.FIVE_MINUTES,
    ) -> None:
        """Keep the windows of *level* that overlap [start, end) until `remove` is called."""
        if level is Level.SHIPPED:
            raise ValueError("samples as shipped cannot be pinned: pin one of the roll-ups")
        values = {
            "name": name,
            "entities": [one.entity for one in series],
            "ids": [one.id for one in series],
            "level": level.length_ns,
            "start": start_ns,
            "end": end_ns,
        }

        def put(session: Session) -> None:
            session.execute(_REMOVE, values)
            session.execute(_PUT, values)

        self._database.write(put)

    def remove(self, name: str) -> bool:
        """Apply retention to the span again; return False if the name does not exist."""
        return self._database.write(lambda session: session.execute(_REMOVE, {"name": name})) > 0

    def names(self) -> list[str]:
        """List all names, ascending."""
        rows = self._database.read(
            lambda session: session.rows("SELECT DISTINCT name FROM pins ORDER BY name")
        )
        return [name for (name,) in rows]

    def read(self, name: str, limit: int) -> list[SampleRecord]:
        """Read at most *limit* samples of the span, at its level if they are rolled up."""

        def read(session: Session) -> list[SampleRecord]:
            pinned = session.rows(_PINNED, {"name": name})
            if not pinned:
                return []
            series = [series_of(row) for row in pinned]
            level_ns, start_ns, end_ns = pinned[0][13:]
            question = Question(start_ns, end_ns, limit)
            level = BY_LENGTH[level_ns]
            found = stretches(session, series, question, level, pinned=True)
            return [record for stretch in found for record in stretch.records()]

        return self._database.snapshot(read)
