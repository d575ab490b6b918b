"""The policy for a full outbox: drop the oldest rows and count them, or refuse new data."""

from collections.abc import Iterable
from enum import Enum

from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.rows import Lost, OutboxRow
from nilometer_agent.outbox.sparse_log import SparseLog

DROP_RATIO = 0.05  # share of the rows that is dropped at a time
DROP_ROWS = 100  # fewest rows that are dropped at a time


class WhenFull(Enum):
    """The policy for a full outbox."""

    DROP_OLDEST = "drop_oldest"  # drop the oldest rows and count them
    REFUSE = "refuse"  # keep all rows and acknowledge no batch; workers count what they drop


class Drops:
    """Drops the oldest rows for space, and counts them.

    Args:
        counters: Counters for dropped rows and their observations.
        log: Log for drops.
    """

    def __init__(self, counters: Counters, log: SparseLog) -> None:
        self._counters = counters
        self._log = log
        # Epochs and sequences of rows that are being shipped, and of those dropped since.
        self._on_their_way: set[tuple[bytes, int]] = set()
        self._dropped: set[tuple[bytes, int]] = set()

    def oldest(self, ledger: Ledger) -> bool:
        """Drop some of the oldest rows; return whether there were any. Predictions go first.

        Raises:
            sqlite3.Error: If the ledger cannot drop rows; nothing is dropped then.
        """
        if self.predictions(ledger):
            return True
        queue = ledger.queue
        gone, places = queue.drop_oldest(max(int(queue.rows * DROP_RATIO), DROP_ROWS))
        self._dropped |= places & self._on_their_way
        self.count(gone)
        if gone.rows:
            self._log.error(
                "outbox full, dropping oldest rows: raise max_outbox_bytes or free disk space",
                rows=gone.rows,
            )
        return gone.rows > 0

    def predictions(self, ledger: Ledger) -> bool:
        """Drop some of the oldest logged predictions; return whether there were any.

        Raises:
            sqlite3.Error: If the ledger cannot drop rows; nothing is dropped then.
        """
        gone = ledger.logged.drop_oldest() if ledger.logged.batches else 0
        self.count_predictions(gone)
        return gone > 0

    def count_predictions(self, dropped: int) -> None:
        """Count logged predictions that were dropped for space."""
        if dropped:
            self._counters.add(Counter.PREDICTIONS_DROPPED, dropped)
            self._log.error(
                "prediction log full, dropping the oldest predictions: raise prediction_log_max_bytes "
                "or free disk space",
                predictions=dropped,
            )

    def count(self, gone: Lost) -> None:
        """Count rows that were dropped for space."""
        self._counters.add(Counter.ROWS_DROPPED_FOR_SPACE, gone.rows)
        self._counters.add(Counter.OBSERVATIONS_DROPPED_FOR_SPACE, gone.observations)

    def give_out(self, rows: Iterable[OutboxRow]) -> None:
        """Remember *rows* as the ones that are being shipped."""
        self._on_their_way = {(row.epoch, row.sequence) for row in rows}
        self._dropped = set()

    def dropped_of(self, rows: Iterable[OutboxRow]) -> set[int]:
        """Return the ids of *rows* that were dropped while they were being shipped."""
        return {row.id for row in rows if (row.epoch, row.sequence) in self._dropped}
