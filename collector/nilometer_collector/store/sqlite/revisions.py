"""Replaces the samples of judged predictions in SQLite; all other samples never change."""

from collections.abc import Sequence

from nilometer.values.window import Window
from nilometer_collector.store.levels import arrival_day
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.rollups import RollUps
from nilometer_collector.store.sqlite.samples import Samples
from nilometer_collector.store.truth_records import RevisedWindow
from nilometer_collector.store.truth_rows import JOINED, epoch_of

_SUBTRACT = """
UPDATE series SET seen = seen - ?, numbers = numbers - ?, categories = categories - ?,
  samples = samples - 1 WHERE id = ?
"""


class Revisions:
    """Replaces samples inside a transaction. A sample moves to the day of its revision."""

    def __init__(self, database: Database, samples: Samples, rollups: RollUps) -> None:
        self._database = database
        self._samples = samples
        self._rollups = rollups

    def replace(
        self, entity: str, windows: Sequence[RevisedWindow], now_ns: int
    ) -> list[tuple[int, int]]:
        """Replace the sample of each window; return its series and time of arrival."""
        stream = self._stream(entity, now_ns)
        received_ns = self._rollups.received_ns(now_ns)
        for one in windows:
            if one.before.series:
                self._withdraw(one, stream, received_ns)
        rows = [(one.before.id, one.row) for one in windows]
        added = self._samples.add(rows, stream, received_ns)
        self._rollups.mark(added, received_ns)
        return [(row[0], received_ns) for row in added]

    def _withdraw(self, one: RevisedWindow, stream: int, now_ns: int) -> None:
        before = one.before
        sizes = self._database.rows(
            "DELETE FROM samples WHERE stream = ? AND sequence = ? RETURNING length(payload)",
            (stream, before.id),
        )
        row = one.before_row
        counts = (0, 0, 0) if row is None else (row.seen, row.numbers, row.categories)
        self._database.execute(_SUBTRACT, (*counts, before.series))
        window = Window(before.key.start_ns, before.key.end_ns)
        day = arrival_day(before.received_ns)
        self._rollups.withdraw(before.series, window, day, [size for (size,) in sizes], now_ns)

    def _stream(self, entity: str, now_ns: int) -> int:
        key = (JOINED, epoch_of(entity))
        found = self._database.row("SELECT id FROM streams WHERE agent = ? AND epoch = ?", key)
        if found is not None:
            return int(found[0])
        return self._database.execute(
            "INSERT INTO streams (agent, epoch, high_water, received_ns) VALUES (?, ?, 0, ?)",
            (*key, now_ns),
        )
