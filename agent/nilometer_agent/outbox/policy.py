"""What gives way when there is no room: the oldest rows, counted, or the newest work."""

from collections.abc import Iterable
from enum import Enum

from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.rows import Lost, OutboxRow
from nilometer_agent.outbox.sparse_log import SparseLog

DROP_RATIO = 0.05  # of the rows, dropped at a time for room
DROP_ROWS = 100  # at least


class WhenFull(Enum):
    """What gives way when the buffer is full."""

    DROP_OLDEST = "drop_oldest"  # rows that wait longest for the collector, counted
    REFUSE = "refuse"  # nothing: workers are not acknowledged, and count what they lose


class Drops:
    """Drops the oldest rows for space, and keeps the accounts of it.

    Args:
        counters: Where dropped rows and their observations are counted.
        log: Where drops are told.
    """

    def __init__(self, counters: Counters, log: SparseLog) -> None:
        self._counters = counters
        self._log = log
        # Epochs and sequences of what was given out, and which of them were dropped since.
        self._on_their_way: set[tuple[bytes, int]] = set()
        self._dropped: set[tuple[bytes, int]] = set()

    def oldest(self, ledger: Ledger) -> bool:
        """Drop some of the oldest rows; whether there were any.

        Raises:
            sqlite3.Error: As the ledger does; nothing is dropped.
        """
        queue = ledger.queue
        gone, places = queue.drop_oldest(max(int(queue.rows * DROP_RATIO), DROP_ROWS))
        self._dropped |= places & self._on_their_way
        self.count(gone)
        if gone.rows:
            self._log.error("the oldest rows are dropped for space", rows=gone.rows)
        return gone.rows > 0

    def count(self, gone: Lost) -> None:
        """Count rows that are lost for space."""
        self._counters.add(Counter.ROWS_DROPPED_FOR_SPACE, gone.rows)
        self._counters.add(Counter.OBSERVATIONS_DROPPED_FOR_SPACE, gone.observations)

    def give_out(self, rows: Iterable[OutboxRow]) -> None:
        """Watch *rows*, which are on their way to the collector, and no others."""
        self._on_their_way = {(row.epoch, row.sequence) for row in rows}
        self._dropped = set()

    def dropped_of(self, rows: Iterable[OutboxRow]) -> set[int]:
        """Ids of those of *rows* that were dropped since they were given out."""
        return {row.id for row in rows if (row.epoch, row.sequence) in self._dropped}
