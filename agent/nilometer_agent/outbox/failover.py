"""Runs transactions on the disk, or in memory while the disk cannot be used.

| disk | action |
|---|---|
| full | release the ballast, then drop the oldest rows (or refuse), then go to memory |
| write refused | open the file again, check whether the write is stored, retry once, go to memory |
| damaged data | build a new file from the rows with a valid checksum, keep the old file |
| file missing | build a new file from the one that is still open |
| usable again | move the rows from memory to the file and continue there |
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
from nilometer_agent.outbox.faults import Fault, is_of_disk
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.memory import fitting, ledger_in_memory, readable
from nilometer_agent.outbox.policy import Drops, WhenFull
from nilometer_agent.outbox.rows import Row
from nilometer_agent.outbox.sparse_log import SparseLog

PROBE_SECONDS = 2.0  # time between attempts to return to the disk
ATTEMPTS = 16  # attempts of one transaction; before each, room is made or the ledger is replaced
FULL_ATTEMPTS = (
    4  # attempts on a full disk; if dropping rows does not help, another program has filled it
)
IO_ATTEMPTS = 2  # attempts on a disk that refuses writes
_NOT_REBUILT = "outbox file cannot be rebuilt, continuing in memory: check the disk"

T = TypeVar("T")

log = logging.getLogger("nilometer.agent")


class Failover:
    """Runs transactions on a ledger, and handles their failures. Not thread-safe.

    Args:
        disk: Outbox file.
        drops: Policy object that drops rows for space.
        when_full: Policy for a full outbox.
        max_memory_bytes: Largest size of a ledger in memory.
        clock: Monotonic time.
        counters: Counters of the agent.
        sparse_log: Log for disk errors.

    Attributes:
        ledger: Ledger in use.
        generation: Number of the current ledger; each new ledger has another one.
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
        """Like `write`, for work that must not be stored twice."""
        with suppress(_StoredAfterAll):
            self.write(work, once=True)

    def write(self, work: Callable[[Ledger], T], *, once: bool = False, dropping: bool = True) -> T:
        """Run *work*; if it fails, retry it with more room or on another ledger.

        *dropping*: whether rows may be dropped to get room, if that is the policy.

        Raises:
            sqlite3.Error: If neither disk nor memory has room; nothing is stored then.
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
        raise AssertionError("the loop ends by return or raise")

    def drop(self) -> bool:
        """Drop some of the oldest rows; return whether that worked."""
        try:
            return self._drops.oldest(self.ledger)
        except sqlite3.Error:
            return False

    # Handling of failures

    def _mend(
        self,
        error: sqlite3.Error,
        ledger: Ledger,
        doubtful: set[int],
        attempt: int,
        *,
        dropping: bool,
    ) -> bool:
        """Prepare another attempt; return whether the failed transaction is stored after all.

        Raises:
            sqlite3.Error: The *error*, if nothing can be done.
        """
        fault = Fault.of(error)
        if not is_of_disk(error):
            raise error
        if ledger.path is None:
            if fault is not Fault.FULL or not self.drop():
                raise error
            return False
        self._log.error("outbox transaction failed on disk, recovering: check the disk", error)
        self._counters.add(Counter.DISK_FAULTS)
        if fault is Fault.FULL:
            if not self._disk.ballast.release():
                if self._when_full is WhenFull.REFUSE:
                    if self._drops.predictions(ledger):
                        return False
                    raise error
                if attempt >= FULL_ATTEMPTS or (dropping and not self.drop()):
                    self._to_memory(ledger, doubtful)
            return False
        if fault is Fault.DAMAGED:
            self._recover(ledger)
            return False
        return self._open_again(ledger, doubtful, attempt)

    def _open_again(self, ledger: Ledger, doubtful: set[int], attempt: int) -> bool:
        """Open the file again after a refused write; return whether the write is stored."""
        if attempt >= IO_ATTEMPTS:
            self._to_memory(ledger, doubtful)
            return False
        self._disk.ballast.release()  # an exceeded quota is reported as an I/O error too
        stored = ledger.database.commits_stored
        ledger.close()
        try:
            self._use(self._disk.open())
        except (sqlite3.Error, OSError) as again:
            self._log.error(
                "outbox file cannot be opened again, continuing in memory: check the disk", again
            )
            self._to_memory(ledger, doubtful)
            return False
        self._counters.add(Counter.REOPENED)
        return self.ledger.commits_found > stored

    def _recover(self, ledger: Ledger) -> None:
        """Continue with a new file that has the sound rows of the damaged one."""
        ledger.close()
        try:
            self._use(self._disk.open_or_recover())
        except (sqlite3.Error, OSError) as error:
            self._log.error(_NOT_REBUILT, error)
            self._to_memory(ledger, set())

    def _replace(self) -> None:
        """Continue with a new file after the open one was deleted or moved."""
        ledger = self.ledger
        self._log.error(
            "outbox file was deleted or moved, writing a new one: leave the agent's directory alone",
            path=str(self._disk.path),
        )
        try:
            self._use(self._disk.replace(ledger))
        except (sqlite3.Error, OSError) as error:
            self._log.error(_NOT_REBUILT, error)
            # A moved file may be moved back with all its rows. A deleted one is lost.
            rows = ledger.everything() if ledger.database.place.is_deleted else None
            self._to_memory(ledger, set(), rows)

    # Switching ledgers

    def _first(self) -> Ledger:
        """Return the ledger to start with."""
        try:
            return self._disk.resume()
        except (sqlite3.Error, OSError) as error:
            self._log.error(
                "disk unusable, outbox starts in memory, data is lost if the agent ends: check the disk",
                error,
            )
            rows = readable(self._disk.path, self._max_memory_bytes)
            kept, _ = fitting(rows, self._max_memory_bytes)
            return self._in_memory(kept)

    def _to_memory(
        self, ledger: Ledger, doubtful: set[int], rows: Iterable[Row] | None = None
    ) -> None:
        """Continue in memory. The rows in the file stay there until the disk can be used again.

        *rows*: rows that are lost with the file unless memory takes them.
        """
        marks = list(ledger.marks.rows())
        kept, left = fitting(rows or (), self._max_memory_bytes)
        # If this raises, the ledger on disk stays in use, and the caller tries again later.
        memory = self._in_memory([*marks, *kept])
        log.error(
            "outbox moved to memory, data is lost if the agent ends now: make the disk usable"
        )
        if left.rows:
            self._drops.count(left)
        self._disk.leave(ledger, doubtful)
        ledger.close()
        self._use(memory)

    def _in_memory(self, rows: Iterable[Row]) -> Ledger:
        ledger = ledger_in_memory(rows, self._max_memory_bytes)
        self._probe_at = self._clock.monotonic() + PROBE_SECONDS
        self._counters.add(Counter.MEMORY_SPELLS)
        return ledger

    def go_back_if_due(self, *, now: bool = False) -> None:
        """Return to the disk if it can be used again; checks every two seconds, or *now*."""
        time = self._clock.monotonic()
        if time < self._probe_at and not now:
            return
        self._probe_at = time + PROBE_SECONDS
        disk = self._disk.take_back(self.ledger)
        if disk is None:
            return
        self._use(disk)
        self._counters.add(Counter.RETURNS_TO_DISK)
        log.warning("outbox returned to disk", extra={"rows": disk.queue.rows})

    def _use(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.generation += 1
        self._note_damage(ledger)

    def _note_damage(self, ledger: Ledger) -> None:
        damaged = ledger.database.damaged
        if damaged:
            self._counters.add(Counter.ROWS_CORRUPT, damaged)
            log.error(
                "rows dropped, their checksums are wrong: check the disk", extra={"rows": damaged}
            )


class _StoredAfterAll(Exception):
    """A failed transaction is stored after all."""
