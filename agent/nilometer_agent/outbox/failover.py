"""Transactions on the disk or, where the disk cannot be used, in memory until it can be again.

| the disk | what becomes of the transaction |
|---|---|
| is full | throws off its ballast, then drops the oldest rows (or refuses), then goes to memory |
| refuses a write | opens the file again, looks whether the write is there, tries once, goes to memory |
| gives back damage | builds a new file of every row whose checksum is right, keeps the old one beside it |
| has lost the file | builds a new one from what is still open |
| comes back | takes in what memory holds and goes on there |
"""

import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from nilometer.values.clock import Clock
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.disk import Disk
from nilometer_agent.outbox.faults import Fault
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.memory import fitting, ledger_in_memory, readable
from nilometer_agent.outbox.policy import Drops, WhenFull
from nilometer_agent.outbox.rows import Row
from nilometer_agent.outbox.sparse_log import SparseLog

PROBE_SECONDS = 2.0  # between attempts to go back to the disk
ATTEMPTS = 16  # of one transaction: each one has more room or another ledger than the one before
FULL_ATTEMPTS = 4  # on a full disk: where so few rows make no room, it is a neighbour's doing
IO_ATTEMPTS = 2  # on a disk that refuses

T = TypeVar("T")

log = logging.getLogger("nilometer.agent")


class Failover:
    """The ledger that is in use, and what to do when a transaction on it fails. Not thread-safe.

    Args:
        disk: The file.
        drops: Drops rows for space.
        when_full: What gives way.
        max_memory_bytes: Of a ledger in memory.
        clock: Monotonic time.
        counters: What is counted.
        sparse_log: Where errors of the disk are told.

    Attributes:
        ledger: The ledger in use.
        generation: New whenever the ledger is another one.
    """

    def __init__(
        self,
        disk: Disk,
        drops: Drops,
        when_full: WhenFull,
        max_memory_bytes: int,
        clock: Clock,
        counters: Counters,
        sparse_log: SparseLog,
    ) -> None:
        self._disk = disk
        self._drops = drops
        self._when_full = when_full
        self._max_memory_bytes = max_memory_bytes
        self._clock = clock
        self._counters = counters
        self._log = sparse_log
        self._probe_at = 0.0
        self.generation = 0
        self.ledger = self._first()
        self._note_damage(self.ledger)

    @property
    def durable(self) -> bool:
        """Whether the ledger in use is on disk."""
        return self.ledger.path is not None

    def store(self, work: Callable[[Ledger], object]) -> None:
        """As `write`, for work that would be stored twice if it were done twice."""
        with suppress(_StoredAfterAll):
            self.write(work, once=True)

    def write(self, work: Callable[[Ledger], T], *, once: bool = False, dropping: bool = True) -> T:
        """Do *work*, on another ledger or with more room where it fails.

        *dropping*: whether rows may be dropped for that room, where that is the policy.

        Raises:
            sqlite3.Error: Where neither disk nor memory has room; nothing of it is stored.
        """
        if not self.durable:
            self.go_back_if_due()
        for attempt in itertools.count():
            ledger = self.ledger
            ids_before = ledger.partials.next_id
            try:
                result = work(ledger)
            except sqlite3.Error as error:
                if attempt >= ATTEMPTS:
                    raise
                doubtful = set(range(ids_before, ledger.partials.next_id))
                mended = self._mend(error, ledger, doubtful, attempt, dropping=dropping)
                if mended and once:
                    raise _StoredAfterAll from error
                continue
            if not ledger.database.place.is_kept:
                self._replace()
            return result
        raise AssertionError("the loop has no end of its own")

    def drop(self) -> bool:
        """Drop some of the oldest rows; whether there were any, and they could be dropped."""
        try:
            return self._drops.oldest(self.ledger)
        except sqlite3.Error:
            return False

    # What to do about a failure

    def _mend(
        self,
        error: sqlite3.Error,
        ledger: Ledger,
        doubtful: set[int],
        attempt: int,
        *,
        dropping: bool,
    ) -> bool:
        """Make another attempt worthwhile; whether the failed transaction is stored after all.

        Raises:
            sqlite3.Error: *error*, where nothing can be done.
        """
        fault = Fault.of(error)
        if fault not in {Fault.FULL, Fault.DAMAGED, Fault.REFUSED}:
            raise error
        if ledger.path is None:
            if fault is not Fault.FULL or not self.drop():
                raise error
            return False
        self._log.error("the disk refuses", error)
        self._counters.add(Counter.DISK_FAULTS)
        if fault is Fault.FULL:
            if not self._disk.ballast.release():
                if self._when_full is WhenFull.REFUSE:
                    raise error
                if attempt >= FULL_ATTEMPTS or (dropping and not self.drop()):
                    self._to_memory(ledger, doubtful)
            return False
        if fault is Fault.DAMAGED:
            self._recover(ledger)
            return False
        return self._open_again(ledger, doubtful, attempt)

    def _open_again(self, ledger: Ledger, doubtful: set[int], attempt: int) -> bool:
        """After a write that the disk refused; whether it is there all the same."""
        if attempt >= IO_ATTEMPTS:
            self._to_memory(ledger, doubtful)
            return False
        self._disk.ballast.release()  # a quota, too, comes as an I/O error
        stored = ledger.database.commits_stored
        ledger.close()
        try:
            self._use(self._disk.open())
        except (sqlite3.Error, OSError) as again:
            self._log.error("the file cannot be opened again", again)
            self._to_memory(ledger, doubtful)
            return False
        self._counters.add(Counter.REOPENED)
        return self.ledger.commits_found > stored

    def _recover(self, ledger: Ledger) -> None:
        """Go on with a new file of what is sound in the damaged one."""
        ledger.close()
        try:
            self._use(self._disk.open_or_recover())
        except (sqlite3.Error, OSError) as error:
            self._log.error("no new file can be made", error)
            self._to_memory(ledger, set())

    def _replace(self) -> None:
        """Go on with a new file where the open one was deleted or moved away."""
        ledger = self.ledger
        self._log.error("the file is gone from its place", path=str(self._disk.path))
        try:
            self._use(self._disk.replace(ledger))
        except (sqlite3.Error, OSError) as error:
            self._log.error("no new file can be made", error)
            # A file that was moved may come back with all it holds; a deleted one does not.
            rows = ledger.everything() if ledger.database.place.is_deleted else None
            self._to_memory(ledger, set(), rows)

    # From one ledger to another

    def _first(self) -> Ledger:
        """The ledger to start with."""
        try:
            return self._disk.resume()
        except (sqlite3.Error, OSError) as error:
            self._log.error("the disk cannot be used: going on in memory", error)
            rows = readable(self._disk.path, self._max_memory_bytes)
            kept, _ = fitting(rows, self._max_memory_bytes)
            return self._in_memory(kept)

    def _to_memory(
        self, ledger: Ledger, doubtful: set[int], rows: Iterable[Row] | None = None
    ) -> None:
        """Go on without the disk. What stands there stays there until it can be used again.

        *rows*: what is lost with the file if memory does not take it.
        """
        log.error("going on in memory: what is acknowledged now does not survive this process")
        self._disk.leave(ledger, doubtful)
        marks = list(ledger.marks.rows())
        kept, left = fitting(rows or (), self._max_memory_bytes)
        if left.rows:
            self._drops.count(left)
        ledger.close()
        self._use(self._in_memory([*marks, *kept]))

    def _in_memory(self, rows: Iterable[Row]) -> Ledger:
        ledger = ledger_in_memory(rows, self._max_memory_bytes)
        self._probe_at = self._clock.monotonic() + PROBE_SECONDS
        self._counters.add(Counter.MEMORY_SPELLS)
        return ledger

    def go_back_if_due(self, *, now: bool = False) -> None:
        """Go on with the disk if it can be used again; looks every two seconds, or *now*."""
        time = self._clock.monotonic()
        if time < self._probe_at and not now:
            return
        self._probe_at = time + PROBE_SECONDS
        disk = self._disk.take_back(self.ledger)
        if disk is None:
            return
        self._use(disk)
        self._counters.add(Counter.RETURNS_TO_DISK)
        log.warning("back on the disk", extra={"rows": disk.queue.rows})

    def _use(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.generation += 1
        self._note_damage(ledger)

    def _note_damage(self, ledger: Ledger) -> None:
        damaged = ledger.database.damaged
        if damaged:
            self._counters.add(Counter.ROWS_CORRUPT, damaged)
            log.error("rows fail their checksum", extra={"rows": damaged})


class _StoredAfterAll(Exception):
    """A transaction that failed is in the file all the same."""
