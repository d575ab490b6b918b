"""The ledger's file: opens it, rebuilds it from its sound rows, and takes rows back from memory.

A transaction that the disk refused may be in the file after all. `Disk` remembers which partial
profiles are in doubt for this reason, and counts them once when the outbox returns to the disk.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.database import PAGE_BYTES, wal_pages
from nilometer_agent.outbox.disk_space import Ballast, allowed_bytes
from nilometer_agent.outbox.faults import Fault
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.replacement import Replacement
from nilometer_agent.outbox.rows import Row
from nilometer_agent.outbox.salvage import salvage
from nilometer_agent.outbox.sparse_log import SparseLog

log = logging.getLogger("nilometer.agent")


class Disk:
    """The outbox file, in any state. Not thread-safe.

    Args:
        path: Path of the database file.
        max_bytes: Largest size of the file; half of the free disk space if that is less.
        counters: Counters for recoveries.
        sparse_log: Log for disk errors.

    Attributes:
        ballast: Reserved disk space, released when the disk is full.
    """

    def __init__(
        self, path: Path, max_bytes: int, counters: Counters, sparse_log: SparseLog
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._counters = counters
        self._log = sparse_log
        self._replacement = Replacement(path)
        # Number of transactions that are surely stored, and ids of partial profiles that may be stored.
        self._doubtful: tuple[int, set[int]] = (0, set())
        self.ballast = Ballast(
            path.with_name("agent.ballast"), 2 * wal_pages(max_bytes) * PAGE_BYTES
        )

    def open(self) -> Ledger:
        """Open the file as it is, and return its ledger."""
        return Ledger(self.path, allowed_bytes(self.path, self._max_bytes))

    def resume(self) -> Ledger:
        """Finish a recovery that a crash interrupted, then open the file and return its ledger."""
        self._replacement.finish()
        return self.open_or_recover()

    def open_or_recover(self) -> Ledger:
        """Return the ledger in the file; if the file is damaged, a new one with its sound rows."""
        log_file = self.path.with_name(self.path.name + "-wal")
        empty = not self.path.exists() or not self.path.stat().st_size
        lost = empty and log_file.exists() and log_file.stat().st_size > 0
        try:
            if not lost:
                return self.open()
        except sqlite3.Error as error:
            fault = Fault.of(error)
            if fault is Fault.FULL and self.ballast.release():
                return self.open()
            if fault not in {Fault.DAMAGED, Fault.STATEMENT}:  # a schema may be damaged
                raise
            self._log.error(
                "outbox file damaged, rebuilding it from its undamaged rows: check the disk", error
            )
        self._rebuild(salvage(self.path), lambda: None)
        return self.open()

    def replace(self, ledger: Ledger) -> Ledger:
        """Return a new ledger with all rows of *ledger*, whose file was deleted or moved."""
        self._rebuild(ledger.everything(), ledger.close)
        return self.open()

    def _rebuild(self, rows: Iterable[Row], close: Callable[[], None]) -> None:
        """Write *rows* to a new file, and replace the current file by it if there is one."""
        self._replacement.discard()
        self.ballast.release()
        made = Ledger(self._replacement.new, allowed_bytes(self.path, self._max_bytes))
        try:
            saved = made.take_in(rows, set())
        except BaseException:
            made.close()
            self._replacement.discard()  # the next attempt creates a new file
            raise
        made.close()
        close()
        self._replacement.put_in_place()
        self._doubtful = (0, set())  # rows got new ids, so the remembered ones are invalid
        self._counters.add(Counter.RECOVERIES)
        self._counters.add(Counter.ROWS_SAVED, saved)
        log.error("outbox file rebuilt", extra={"rows_saved": saved})

    def leave(self, ledger: Ledger, doubtful: set[int]) -> None:
        """Remember the state of the file, and which further partial profiles it may hold."""
        self._doubtful = (ledger.database.commits_stored, doubtful)

    def take_back(self, memory: Ledger) -> Ledger | None:
        """Move all rows of *memory* to the file and return its ledger; None if the disk still fails.

        *memory* is closed once the file has its rows.
        """
        try:
            disk = self.resume()
        except (sqlite3.Error, OSError) as error:
            self._log.error(
                "disk still unusable, outbox stays in memory, will retry: check the disk", error
            )
            return None
        stored, ids = self._doubtful
        ids = ids & disk.partials.ids  # the other ids are not in the file
        if not ids:
            stored = disk.commits_found
        landed = disk.commits_found > stored
        first = disk.partials.next_id
        try:
            disk.take_in(memory.everything(), ids if landed else set())
        except sqlite3.Error as error:
            self._log.error(
                "disk still full, outbox stays in memory, will retry: free disk space", error
            )
            # The rows may have been stored after all, and they will be stored again.
            put = range(first, first + len(memory.partials.ids))
            self._doubtful = (stored, ids.union(put))
            disk.close()
            return None
        self._doubtful = (0, set())
        memory.close()
        return disk
