"""Pinned spans in SQLite."""

from collections.abc import Sequence

from nilometer_collector.store.levels import BY_LENGTH, Level
from nilometer_collector.store.records import SampleRecord, SeriesRecord
from nilometer_collector.store.rows import series_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.reading import Question, Reading
from nilometer_collector.store.sqlite.samples import SERIES

_PINNED = f"""
SELECT {SERIES}, pins.level_ns, pins.start_ns, pins.end_ns
FROM pins JOIN series ON series.id = pins.series WHERE pins.name = ? ORDER BY series.id
"""  # noqa: S608


class Pins:
    """Named spans of series, whose roll-ups are kept beyond their retention."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = Reading(database)

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
        with self._database.write():
            self._database.execute("DELETE FROM pins WHERE name = ?", (name,))
            for one in series:
                self._database.execute(
                    "INSERT INTO pins (name, series, level_ns, start_ns, end_ns) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (name, one.id, level.length_ns, start_ns, end_ns),
                )

    def remove(self, name: str) -> bool:
        """Apply retention to the span again; return False if the name does not exist."""
        with self._database.write():
            found = self._database.row("SELECT 1 FROM pins WHERE name = ?", (name,))
            self._database.execute("DELETE FROM pins WHERE name = ?", (name,))
        return found is not None

    def names(self) -> list[str]:
        """List all names, ascending."""
        return [
            name for (name,) in self._database.rows("SELECT DISTINCT name FROM pins ORDER BY 1")
        ]

    def read(self, name: str, limit: int) -> list[SampleRecord]:
        """Read at most *limit* samples of the span, at its level if they are rolled up."""
        found: list[SampleRecord] = []
        for *known, level_ns, start_ns, end_ns in self._database.rows(_PINNED, (name,)):
            question = Question(start_ns, end_ns, limit - len(found))
            for stretch in self._reading.stretches(
                [series_of(known)], question, BY_LENGTH[level_ns], pinned=True
            ):
                found += stretch.records()
            if len(found) >= limit:
                break
        return found
