"""The ledger's file: opened, made anew from what is sound in it, and gone back to.

A transaction that the disk refused may be in the file all the same. `Disk` keeps which partial
profiles are in doubt so, and counts them once when memory comes back.
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
    """The file at a path, whatever state it is in. Not thread-safe.

    Args:
        path: The database file.
        max_bytes: Of the file; half of the free space where that is less.
        counters: Where recoveries are counted.
        sparse_log: Where errors of the disk are told.

    Attributes:
        ballast: Room to throw off when the disk is full.
    """

    def __init__(
        self, path: Path, max_bytes: int, counters: Counters, sparse_log: SparseLog
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._counters = counters
        self._log = sparse_log
        self._replacement = Replacement(path)
        # Transactions that are stored for sure, and ids of partial profiles that may be.
        self._doubtful: tuple[int, set[int]] = (0, set())
        self.ballast = Ballast(
            path.with_name("agent.ballast"), 2 * wal_pages(max_bytes) * PAGE_BYTES
        )

    def open(self) -> Ledger:
        """The ledger in the file, as it is."""
        return Ledger(self.path, allowed_bytes(self.path, self._max_bytes))

    def resume(self) -> Ledger:
        """The ledger to begin with, or to go back to: a recovery that a crash cut is finished."""
        self._replacement.finish()
        return self.open_or_recover()

    def open_or_recover(self) -> Ledger:
        """The ledger in the file, or one of every sound row where the file is damaged."""
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
            if fault not in {Fault.DAMAGED, Fault.STATEMENT}:  # the schema may be what rotted
                raise
            self._log.error("the file is damaged", error)
        self._rebuild(salvage(self.path), lambda: None)
        return self.open()

    def replace(self, ledger: Ledger) -> Ledger:
        """A ledger of all that *ledger* has, whose file was deleted or moved away."""
        self._rebuild(ledger.everything(), ledger.close)
        return self.open()

    def _rebuild(self, rows: Iterable[Row], close: Callable[[], None]) -> None:
        """Make a file of *rows* and put it in place of the one that is there, if any is."""
        self._replacement.discard()
        self.ballast.release()
        made = Ledger(self._replacement.new, allowed_bytes(self.path, self._max_bytes))
        try:
            saved = made.take_in(rows, set())
        except BaseException:
            made.close()
            self._replacement.discard()  # whoever asks next makes it again
            raise
        made.close()
        close()
        self._replacement.put_in_place()
        self._doubtful = (0, set())  # ids are other ones now
        self._counters.add(Counter.RECOVERIES)
        self._counters.add(Counter.ROWS_SAVED, saved)
        log.error("a new outbox file was made", extra={"rows_saved": saved})

    def leave(self, ledger: Ledger, doubtful: set[int]) -> None:
        """Remember what the file had, and which partial profiles it may have beside."""
        self._doubtful = (ledger.database.commits_stored, doubtful)

    def take_back(self, memory: Ledger) -> Ledger | None:
        """The ledger in the file with all that *memory* has; None where the disk refuses still.

        *memory* is closed once the file has it.
        """
        try:
            disk = self.resume()
        except (sqlite3.Error, OSError) as error:
            self._log.error("the disk still cannot be used", error)
            return None
        stored, ids = self._doubtful
        ids = ids & disk.partials.ids  # the others did not land, or went with a later attempt
        if not ids:
            stored = disk.commits_found
        landed = disk.commits_found > stored
        first = disk.partials.next_id
        try:
            disk.take_in(memory.everything(), ids if landed else set())
        except sqlite3.Error as error:
            self._log.error("the disk has no room yet", error)
            # What was just put may be there all the same, and will be put again.
            put = range(first, first + len(memory.partials.ids))
            self._doubtful = (stored, ids.union(put))
            disk.close()
            return None
        self._doubtful = (0, set())
        memory.close()
        return disk
