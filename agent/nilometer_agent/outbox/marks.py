"""The agent's progress: last batch of each worker, closed windows, and the collector's plan.

Everything is also kept in memory, so that reading it needs no disk.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping

from nilometer.values.labels import Labels
from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.rows import Columns, Row, WindowKey, label_text

MAX_CLOSED = 10_000  # largest number of pairs of entity and label set with a stored window end
MAX_MARK = 64  # longest text of labels that is kept; a longer one is kept as its digest
PLAN_ID = 2  # id of the plan's row in ``meta``; id 1 is the count of transactions

Workers = dict[bytes, tuple[int, int]]  # row id and last committed sequence, by worker
Closed = dict[
    tuple[str, str], tuple[int, int]
]  # row id and end of the window; the key is the entity and the mark of its labels


class Marks:
    """Rows of the tables ``workers`` and ``closed``, and the plan in ``meta``.

    A ``put_`` method writes inside the caller's transaction and returns the new state. The caller
    sets that state once the transaction is stored.

    Attributes:
        plan: The newest plan, as the collector sent it.
        workers: State of ``workers``.
        closed: State of ``closed``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.plan: bytes | None = None
        self.workers: Workers = {}
        self.closed: Closed = {}

    def load(self) -> None:
        """Read all rows into memory."""
        self.plan = None
        for _, key, value in self._database.rows("meta"):
            if key == "plan":
                self.plan = value
        self._load_workers()
        self.closed = {
            (row[1], shortened(row[2])): (row[0], row[3]) for row in self._database.rows("closed")
        }

    def _load_workers(self) -> None:
        self.workers = {row[1]: (row[0], row[2]) for row in self._database.rows("workers")}

    def worker_sequences(self) -> dict[bytes, int]:
        """Sequence of the last committed batch by worker."""
        return {worker: sequence for worker, (_, sequence) in self.workers.items()}

    def put_workers(self, sequences: Mapping[bytes, int]) -> Workers:
        """Store the sequences of committed batches."""
        workers = dict(self.workers)
        for worker, sequence in sequences.items():
            self._put_worker(workers, worker, sequence)
        return workers

    def _put_worker(self, workers: Workers, worker: bytes, sequence: int) -> None:
        database = self._database
        identity, before = workers.get(worker, (0, 0))
        identity = identity or database.take_id("workers")
        newest = max(before, sequence)
        workers[worker] = (identity, newest)
        database.put("workers", worker, newest, database.commits, identity=identity)

    def forget_workers(self, keep: int) -> None:
        """Forget all workers except *keep* of them, those with the newest commits.

        This uses the order of commits, not time. After a jump of the clock, it could forget a worker
        that is still connected, and count its repeated batches twice.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM workers WHERE id NOT IN "
                "(SELECT id FROM workers ORDER BY seen DESC LIMIT ?)",
                [keep],
            )
        self._load_workers()

    def closed_until(self, entity: str, labels: Labels) -> int:
        """End of the newest window that was judged, Unix nanoseconds; 0 for none."""
        return self.closed.get((entity, mark_of(labels)), (0, 0))[1]

    def put_closed(self, keys: Iterable[WindowKey]) -> Closed:
        """Store the ends of judged windows."""
        closed = dict(self.closed)
        for key in keys:
            self._put_closed(closed, (key.entity, mark_of(key.labels)), key.window.end_ns)
        if len(closed) > MAX_CLOSED:
            excess = len(closed) - MAX_CLOSED + MAX_CLOSED // 10
            oldest = heapq.nsmallest(excess, closed, key=lambda mark: closed[mark][1])
            self._database.delete("closed", [closed.pop(mark)[0] for mark in oldest])
        return closed

    def _put_closed(self, closed: Closed, mark: tuple[str, str], end_ns: int) -> None:
        identity, until = closed.get(mark, (0, 0))
        identity = identity or self._database.take_id("closed")
        closed[mark] = (identity, max(until, end_ns))
        self._database.put("closed", *mark, closed[mark][1], identity=identity)

    def keep_plan(self, payload: bytes) -> None:
        """Store *payload* as the newest plan."""
        with self._database.transaction():
            self._database.put("meta", "plan", payload, identity=PLAN_ID)
        self.plan = payload

    def rows(self) -> Iterator[Row]:
        """Yield all rows from memory, without the disk."""
        for worker, (identity, sequence) in self.workers.items():
            yield "workers", (identity, worker, sequence, 0)
        for (entity, labels), (identity, until) in self.closed.items():
            yield "closed", (identity, entity, labels, until)
        if self.plan is not None:
            yield "meta", (PLAN_ID, "plan", self.plan)

    def take_in(self, table: str, columns: Columns) -> None:
        """Add a row of another ledger in the caller's transaction; the caller then calls `load`."""
        match table:
            case "workers":
                self._put_worker(self.workers, columns[0], columns[1])
            case "closed":
                self._put_closed(self.closed, (columns[0], shortened(columns[1])), columns[2])
            case "meta" if columns[0] == "plan":
                self._database.put(table, *columns, identity=PLAN_ID)


def mark_of(labels: Labels) -> str:
    """Return the text that represents *labels* in ``closed``; at most `MAX_MARK` characters."""
    return shortened(label_text(labels))


def shortened(text: str) -> str:
    """Return *text*, or its digest if it is long: clients choose labels, and many marks are kept."""
    if len(text) <= MAX_MARK:
        return text
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
