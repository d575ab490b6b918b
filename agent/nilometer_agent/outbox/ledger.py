"""The agent's data in one database: marks, partial profiles, and rows for the collector.

`Database` stores rows. `Marks`, `Partials` and `Queue` each own some tables and a cache of them in
memory. The ledger runs the transactions that change more than one of these.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.logged import LoggedQueue
from nilometer_agent.outbox.marks import Marks
from nilometer_agent.outbox.partials import Partials
from nilometer_agent.outbox.queued import Queue
from nilometer_agent.outbox.rows import NOT_LOGGED, Closing, Delta, LoggedRows, Row
from nilometer_agent.outbox.schema import TABLES

LOGGED_SHARE = 0.5  # largest share of the database that logged predictions may use


class Ledger:
    """Partial profiles, marks and the outbox: rows in one database. Not thread-safe.

    All methods raise `sqlite3.Error` as SQLite does; `Failover` handles these errors.

    Raises:
        ConfigError: If a newer nilometer wrote the file.

    Args:
        path: Path of the file; None for memory.
        most_bytes: Largest size of the database in bytes.

    Attributes:
        database: Database with the rows.
        marks: Progress of workers and windows.
        partials: Partial profiles of open windows.
        queue: Rows that wait for the collector.
        logged: Logged predictions that wait for the collector.
        commits_found: Number of transactions that the file contained when it was opened.
    """

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        self.path = path
        self.database = Database(path, most_bytes)
        self.marks = Marks(self.database)
        self.partials = Partials(self.database)
        self.queue = Queue(self.database)
        self.logged = LoggedQueue(self.database)
        try:
            self._load()
            self.commits_found = self.database.commits
            self.database.grow_log()
            self.settle()
            self.database.place.remember()
        except BaseException:
            self.close()
            raise

    def _load(self) -> None:
        """Read everything except payloads into memory."""
        self.database.load()
        self.marks.load()
        self.partials.load()
        self.queue.load()
        self.logged.load()

    def close(self) -> None:
        """Close the file. No other method may be called afterwards. May be called twice."""
        self.database.close()

    def settle(self) -> None:
        """Checkpoint the log into the file, and release the stored rows for shipping.

        Damage may remove the end of a log without a trace, which undoes its transactions. Shipped
        rows must not be undone, because they would be merged and shipped again. So rows that are
        only in the log are not shipped.
        """
        newest = self.queue.newest
        if self.database.fold_log():
            self.queue.released = newest

    def commit_deltas(
        self,
        deltas: Sequence[Delta],
        sequences: Mapping[bytes, int],
        predictions: LoggedRows = NOT_LOGGED,
        now_ns: int = 0,
    ) -> int:
        """Store partial profiles, the sequences of their batches, and their logged predictions.

        Returns:
            Number of predictions that were dropped, because their outbox is full.
        """
        most_bytes = min(predictions.most_bytes, int(self.database.most_bytes * LOGGED_SHARE))
        with self.database.transaction():
            ids = self.partials.put(deltas)
            workers = self.marks.put_workers(sequences)
            change = self.logged.put(predictions.rows, most_bytes, now_ns)
        self.marks.workers = workers
        self.partials.keep(deltas, ids)
        self.logged.count(change)
        return change.dropped

    def close_windows(self, closings: Sequence[Closing], now_ns: int) -> None:
        """Replace the partial profiles of each window by its rows of the outbox."""
        new = [row for closing in closings for row in closing.rows]
        gone = {identity for closing in closings for identity in closing.partials}
        sequences = self.queue.number(new)
        with self.database.transaction():
            # The partial profiles are deleted first: in a full database, the new rows need their
            # space.
            observations = self.partials.delete(gone)
            self.queue.put(new, sequences, now_ns)
            closed = self.marks.put_closed(closing.key for closing in closings)
        self.marks.closed = closed
        self.queue.count(new)
        self.partials.forget(closings, gone, observations)

    # Moving rows between ledgers

    def everything(self) -> Iterator[Row]:
        """Yield (table, (id, columns)) of every undamaged row."""
        for table in TABLES:
            for row in self.database.rows(table):
                yield table, row

    def take_in(self, rows: Iterable[Row], without: set[int]) -> int:
        """Add rows of another ledger in one transaction; return the number of new rows.

        Rows of the outbox keep their epoch and sequence, so that the collector counts them once.
        *without*: ids of partial profiles in this ledger that the other ledger has too.
        """
        known, logged = self.queue.places(), self.logged.places()
        added = 0
        with self.database.transaction():
            self.database.delete("partials", without)
            for table, (_, *columns) in rows:
                match table:
                    case "outbox":
                        added += self.queue.take_in(columns, known)
                    case "predictions":
                        added += self.logged.take_in(columns, logged)
                    case "partials":
                        self.partials.take_in(columns)
                        added += 1
                    case _:
                        self.marks.take_in(table, columns)
        self._load()
        self.settle()
        return added
