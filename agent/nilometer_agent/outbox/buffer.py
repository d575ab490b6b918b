"""The agent's durable state, and what becomes of it when the disk does not do as it should.

`Ledger` is one database; a buffer has one on disk or, where the disk cannot be used, one in
memory until it can be again. What a method has stored is there when it returns, across a crash of
the process and of the power - while `durable`.

| the disk | the buffer |
|---|---|
| is full | throws off its ballast, then drops the oldest rows (or refuses), then goes to memory |
| refuses a write | opens the file again, looks whether the write is there, tries once, goes to memory |
| gives back damage | builds a new file of every row whose checksum is right, keeps the old one beside it |
| has lost the file | builds a new one from what is still open |
| comes back | takes in what memory holds and goes on there |

Every loss is counted by its reason. Rows keep their epoch and sequence wherever they go, so that
the collector counts them once.
"""

import itertools
import logging
import os
import sqlite3
import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar

from nilometer.values.clock import Clock, SystemClock
from nilometer.values.labels import Labels
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.ledger import (
    PAGE_BYTES,
    Closing,
    Damaged,
    Delta,
    Ledger,
    Lost,
    NewRow,
    OutboxRow,
    WindowKey,
    wal_pages,
)
from nilometer_agent.outbox.salvage import Row, salvage
from nilometer_agent.outbox.space import Ballast, allowed_bytes, is_scarce

DROP_RATIO = 0.05  # of the rows, dropped at a time for room
DROP_ROWS = 100  # at least
PROBE_SECONDS = 2.0  # between attempts to go back to the disk
ATTEMPTS = 16  # of one transaction: each one has more room or another ledger than the one before
FULL_ATTEMPTS = 4  # on a full disk: where so few rows make no room, it is a neighbour's doing
IO_ATTEMPTS = 2  # on a disk that refuses
KEPT_DAMAGE_BYTES = 64 << 20  # a damaged file that is larger is not kept for a look
SALVAGED_SHARE = 0.5  # of the memory, for rows of a file that can be read but not written

T = TypeVar("T")

log = logging.getLogger("nilometer.agent")

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK = {
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS),
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL),
}


class WhenFull(Enum):
    """What gives way when the buffer is full."""

    DROP_OLDEST = "drop_oldest"  # rows that wait longest for the collector, counted
    REFUSE = "refuse"  # nothing: workers are not acknowledged, and count what they lose


class Buffer:
    """Durable state of one agent. Any thread may call.

    Args:
        path: The database file, in a directory of the agent's own.
        clock: Monotonic time.
        counters: What is counted.
        max_bytes: Of the file; half of the free space where that is less.
        max_memory_bytes: Of what is held while the disk cannot be used.
        when_full: What gives way.

    Raises:
        sqlite3.Error: From any method that writes, where neither disk nor memory has room;
            nothing of it is stored.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock | None = None,
        counters: Counters | None = None,
        *,
        max_bytes: int = 256 << 20,
        max_memory_bytes: int = 16 << 20,
        when_full: WhenFull = WhenFull.DROP_OLDEST,
    ) -> None:
        self.path = path
        self.generation = 0  # new whenever the ledger is another one
        self._clock = clock or SystemClock()
        self._counters = counters or Counters()
        self._max_bytes = max_bytes
        self._max_memory_bytes = max_memory_bytes
        self._when_full = when_full
        self._lock = threading.RLock()
        self._probe_at = 0.0
        self._doubtful: tuple[int, set[int]] = (0, set())
        # Epochs and sequences of what `oldest` gave out, and which of them were dropped since.
        self._on_their_way: set[tuple[bytes, int]] = set()
        self._dropped: set[tuple[bytes, int]] = set()
        self._told: Tally[str] = Tally()
        self._ballast = Ballast(
            path.with_name("agent.ballast"), 2 * wal_pages(max_bytes) * PAGE_BYTES
        )
        self._ledger = self._first()
        self._note_damage(self._ledger)
        found = self._ledger.queued_observations + self._ledger.partial_observations
        self._counters.add(Counter.OBSERVATIONS_FOUND, found)
        self._counters.add(Counter.ROWS_FOUND, self._ledger.queued)
        self._ballast.restore()

    # What everybody may ask

    @property
    def durable(self) -> bool:
        """Whether what is stored is on disk."""
        return self._ledger.path is not None

    @property
    def epoch(self) -> bytes:
        """Of rows that are put now."""
        return self._ledger.epoch

    def worker_sequences(self) -> dict[bytes, int]:
        """The last committed batch of every worker that was seen."""
        with self._lock:
            return self._ledger.worker_sequences()

    def open_windows(self) -> list[WindowKey]:
        """Windows that have partial profiles."""
        with self._lock:
            return self._ledger.open_windows()

    def closed_until(self, entity: str, labels: Labels) -> int:
        """End of the newest window that was judged, Unix nanoseconds; 0 for none."""
        with self._lock:
            return self._ledger.closed_until(entity, labels)

    def plan(self) -> bytes | None:
        """The newest plan of the collector, as it came."""
        with self._lock:
            return self._ledger.plan

    def queued(self) -> int:
        """Rows the collector has not acknowledged."""
        return self._ledger.queued

    def gauges(self) -> dict[str, int]:
        """What is held now, by the names of docs/telemetry.md."""
        with self._lock:
            ledger = self._ledger
            try:
                oldest = ledger.oldest_created_ns()
                used = ledger.used_bytes()
                quarantined = ledger.quarantined()
            except sqlite3.Error:
                oldest = used = quarantined = 0
            lag = self._clock.now_ns() - oldest if oldest else 0
            return {
                "rows_in_outbox": ledger.queued,
                "rows_in_quarantine": quarantined,
                "observations_in_outbox": ledger.queued_observations,
                "observations_in_partials": ledger.partial_observations,
                "buffer_bytes": used,
                "buffer_bytes_cap": ledger.most_pages * PAGE_BYTES,
                "buffer_durable": int(self.durable),
                "lag_seconds": max(lag, 0) // 1_000_000_000,
            }

    # What the engine and the shipper do

    def commit_deltas(self, deltas: Sequence[Delta], sequences: Mapping[bytes, int]) -> None:
        """Store partial profiles and the batches they contain: all of it, or none."""
        self._store(lambda ledger: ledger.commit_deltas(deltas, sequences))

    def forget_workers(self, keep: int) -> None:
        """Forget all workers but the *keep* that were heard last: the others are gone."""
        self._write(lambda ledger: ledger.forget_workers(keep))

    def partials(self, key: WindowKey) -> tuple[list[tuple[int, bytes]], int]:
        """(id, payload) of a window's partial profiles, and how many fail their checksum."""
        return self._write(lambda ledger: ledger.partials(key))

    def close_windows(self, closings: Sequence[Closing], generation: int) -> bool:
        """Replace the partial profiles of windows by rows of the outbox.

        Args:
            closings: All of them, or none.
            generation: In which their partial profiles were read; of another one nothing is
                closed, because ids are of one ledger only.

        Returns:
            Whether they are closed.
        """
        with self._lock:
            if generation != self.generation:
                return False
            now_ns = self._clock.now_ns()
            before = self.generation

            def close(ledger: Ledger) -> None:
                if self.generation != before:
                    raise _Moved
                ledger.close_windows(closings, now_ns)

            try:
                self._store(close)
            except _Moved:
                return False
            return True

    def settle(self) -> None:
        """Let the rows that were put so far be shipped."""
        self._write(lambda ledger: ledger.settle())

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Up to *most* rows of together *most_bytes* (one at least), and ids of corrupt ones."""
        with self._lock:
            found, corrupt = self._write(lambda ledger: ledger.oldest(most, most_bytes))
            self._on_their_way = {(row.epoch, row.sequence) for row in found}
            self._dropped = set()
            return found, corrupt

    def acknowledge(
        self, rows: Iterable[OutboxRow], rejected: Mapping[int, str], corrupt: Iterable[int] = ()
    ) -> set[int]:
        """Forget *rows*; those whose id is in *rejected*, and *corrupt* ids, go to quarantine.

        Returns:
            Ids of *rows* that were dropped for space since `oldest` gave them out: they are in the
            accounts already, as dropped.
        """
        rows = list(rows)
        reasons = {**rejected, **dict.fromkeys(corrupt, "checksum")}
        places = {(row.epoch, row.sequence) for row in rows}

        def forget(ledger: Ledger, generation: int = self.generation) -> Lost:
            if self.generation == generation:
                return ledger.acknowledge([*(row.id for row in rows), *reasons], reasons)
            # The ledger is another one: rows are known by what the collector knows them by.
            here, _ = ledger.oldest(1 << 30, 1 << 40)
            return ledger.acknowledge(
                [row.id for row in here if (row.epoch, row.sequence) in places], {}
            )

        with self._lock:
            # On a full disk nothing is dropped for it: the oldest rows are these.
            self._write(forget, dropping=False)
            return {row.id for row in rows if (row.epoch, row.sequence) in self._dropped}

    def keep_plan(self, payload: bytes) -> None:
        """Remember *payload* as the newest plan of the collector."""
        self._write(lambda ledger: ledger.keep_plan(payload))

    def make_room(self) -> None:
        """Drop the oldest rows while the buffer is nearly full, where that is the policy."""
        with self._lock:
            while self._when_full is WhenFull.DROP_OLDEST and self._write(
                lambda ledger: ledger.is_nearly_full
            ):
                if not self._drop():
                    return

    def tend(self) -> None:
        """Do what is due: go back to the disk, take ballast, see what others leave of it."""
        with self._lock:
            if not self.durable:
                self._go_back_if_due()
            if self.durable:
                self._ballast.restore()
                self._write(self._leave_room_to_others)

    def _leave_room_to_others(self, ledger: Ledger) -> None:
        missing = ledger.most_pages * PAGE_BYTES - ledger.used_bytes()
        ledger.hold_size(is_scarce(self.path.parent, missing))

    def close(self) -> None:
        """Let the file go; nothing may be called afterwards."""
        with self._lock:
            if not self.durable:
                self._probe_at = 0.0
                self._go_back_if_due()
            if not self.durable and (self._ledger.queued or self._ledger.open_windows()):
                left = self._ledger.queued
                log.error(
                    "the disk cannot be used: what memory holds is lost", extra={"rows": left}
                )
            self._ledger.close()

    # One transaction, and what to do when it fails

    def _store(self, work: Callable[[Ledger], object]) -> None:
        """As `_write`, for work that would be stored twice if it were done twice."""
        with suppress(_StoredAfterAll):
            self._write(work, once=True)

    def _write(
        self, work: Callable[[Ledger], T], *, once: bool = False, dropping: bool = True
    ) -> T:
        """Do *work*, on another ledger or with more room where it fails.

        *dropping*: whether rows may be dropped for that room, where that is the policy.
        """
        with self._lock:
            if not self.durable:
                self._go_back_if_due()
            for attempt in itertools.count():
                ledger = self._ledger
                ids_before = ledger.next_partial
                try:
                    result = work(ledger)
                except sqlite3.Error as error:
                    if attempt >= ATTEMPTS:
                        raise
                    doubtful = set(range(ids_before, ledger.next_partial))
                    mended = self._mend(error, ledger, doubtful, attempt, dropping=dropping)
                    if mended and once:
                        raise _StoredAfterAll from error
                    continue
                if not ledger.is_in_place():
                    self._replace()
                return result
            raise AssertionError("the loop has no end of its own")

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
        code = _code(error)
        if code not in _DAMAGED | _DISK:
            raise error
        if ledger.path is None:
            if code != sqlite3.SQLITE_FULL or not self._drop():
                raise error
            return False
        self._say("the disk refuses", error)
        self._counters.add(Counter.DISK_FAULTS)
        if code == sqlite3.SQLITE_FULL:
            if not self._ballast.release():
                if self._when_full is WhenFull.REFUSE:
                    raise error
                if attempt >= FULL_ATTEMPTS or (dropping and not self._drop()):
                    self._to_memory(ledger, doubtful)
            return False
        if code in _DAMAGED:
            self._recover(ledger)
            return False
        return self._open_again(ledger, doubtful, attempt)

    def _open_again(self, ledger: Ledger, doubtful: set[int], attempt: int) -> bool:
        """After a write that the disk refused; whether it is there all the same."""
        if attempt >= IO_ATTEMPTS:
            self._to_memory(ledger, doubtful)
            return False
        self._ballast.release()  # a quota, too, comes as an I/O error
        stored = ledger.commits_stored
        ledger.close()
        try:
            self._take(self._open())
        except (sqlite3.Error, OSError) as again:
            self._say("the file cannot be opened again", again)
            self._to_memory(ledger, doubtful)
            return False
        self._counters.add(Counter.REOPENED)
        return self._ledger.commits_found > stored

    def _drop(self) -> bool:
        """Drop some of the oldest rows; whether there were any."""
        ledger = self._ledger
        try:
            gone, places = ledger.drop_oldest(max(int(ledger.queued * DROP_RATIO), DROP_ROWS))
        except sqlite3.Error:
            return False
        self._dropped |= places & self._on_their_way
        self._lose(gone, Counter.ROWS_DROPPED_FOR_SPACE)
        if gone.rows:
            self._say("the oldest rows are dropped for space", rows=gone.rows)
        return gone.rows > 0

    def _lose(self, gone: Lost, counter: Counter) -> None:
        self._counters.add(counter, gone.rows)
        self._counters.add(Counter.OBSERVATIONS_DROPPED_FOR_SPACE, gone.observations)

    # The file

    def _first(self) -> Ledger:
        """The ledger to start with."""
        try:
            self._finish_recovery()
            return self._open_or_recover()
        except (sqlite3.Error, OSError) as error:
            self._say("the disk cannot be used: going on in memory", error)
            kept, _ = _within(
                _readable(self.path, self._max_memory_bytes),
                self._max_memory_bytes * SALVAGED_SHARE,
            )
            return self._in_memory(kept)

    def _open(self) -> Ledger:
        return Ledger(self.path, allowed_bytes(self.path, self._max_bytes))

    def _open_or_recover(self) -> Ledger:
        log_file = _beside(self.path, "-wal")
        empty = not self.path.exists() or not self.path.stat().st_size
        lost = empty and log_file.exists() and log_file.stat().st_size > 0
        try:
            if not lost:
                return self._open()
        except sqlite3.Error as error:
            code = _code(error)
            if code == sqlite3.SQLITE_FULL and self._ballast.release():
                return self._open()
            if code not in {*_DAMAGED, sqlite3.SQLITE_ERROR}:  # the schema may be what rotted
                raise
            self._say("the file is damaged", error)
        self._rebuild(salvage(self.path), lambda: None)
        return self._open()

    def _recover(self, ledger: Ledger) -> None:
        """Go on with a new file of what is sound in the damaged one."""
        ledger.close()
        try:
            self._take(self._open_or_recover())
        except (sqlite3.Error, OSError) as error:
            self._say("no new file can be made", error)
            self._to_memory(ledger, set())

    def _replace(self) -> None:
        """Go on with a new file where the open one was deleted or moved away."""
        ledger = self._ledger
        self._say("the file is gone from its place", path=str(self.path))
        try:
            self._rebuild(ledger.everything(), ledger.close)
            self._take(self._open())
        except (sqlite3.Error, OSError) as error:
            self._say("no new file can be made", error)
            # A file that was moved may come back with all it holds; a deleted one does not.
            rows = ledger.everything() if ledger.is_deleted else None
            self._to_memory(ledger, set(), rows)

    def _rebuild(self, rows: Iterable[Row], close: Callable[[], None]) -> None:
        """Make a file of *rows* and put it in place of the one that is there, if any is.

        A crash in between leaves both, and `_finish_recovery` goes on from there.
        """
        new = _beside(self.path, ".new")
        self._discard_new()
        self._ballast.release()
        made = Ledger(new, allowed_bytes(self.path, self._max_bytes))
        try:
            saved = made.take_in(rows, set())
        except BaseException:
            made.close()
            self._discard_new()  # whoever asks next makes it again
            raise
        made.close()
        close()
        self._put_in_place()
        self._doubtful = (0, set())  # ids are other ones now
        self._counters.add(Counter.RECOVERIES)
        self._counters.add(Counter.ROWS_SAVED, saved)
        log.error("a new outbox file was made", extra={"rows_saved": saved})

    def _put_in_place(self) -> None:
        new, kept = _beside(self.path, ".new"), _beside(self.path, ".corrupt")
        for name in ("-wal", "-shm", ""):
            there = _beside(self.path, name)
            if not there.exists():
                continue
            if name == "-shm" or there.stat().st_size > KEPT_DAMAGE_BYTES:
                there.unlink()
            else:
                there.rename(_beside(kept, name))
        new.rename(self.path)
        _sync_directory(self.path.parent)

    def _finish_recovery(self) -> None:
        """A finished new file without an old one is what a crash left of `_put_in_place`."""
        new = _beside(self.path, ".new")
        if not new.exists():
            return
        if self.path.exists() or _beside(new, "-wal").exists():
            self._discard_new()
        else:
            self._put_in_place()

    def _discard_new(self) -> None:
        new = _beside(self.path, ".new")
        for name in ("", "-wal", "-shm"):
            _beside(new, name).unlink(missing_ok=True)

    # Memory

    def _in_memory(self, rows: Iterable[Row]) -> Ledger:
        ledger = Ledger(None, self._max_memory_bytes)
        ledger.take_in(rows, set())
        self._probe_at = self._clock.monotonic() + PROBE_SECONDS
        self._counters.add(Counter.MEMORY_SPELLS)
        return ledger

    def _to_memory(
        self, ledger: Ledger, doubtful: set[int], rows: Iterable[Row] | None = None
    ) -> None:
        """Go on without the disk. What stands there stays there until it can be used again.

        *rows*: what is lost with the file if memory does not take it.
        """
        log.error("going on in memory: what is acknowledged now does not survive this process")
        self._doubtful = (ledger.commits_stored, doubtful)
        marks = list(ledger.marks())
        kept, left = _within(rows or (), self._max_memory_bytes * SALVAGED_SHARE)
        if left.rows:
            self._lose(left, Counter.ROWS_DROPPED_FOR_SPACE)
        ledger.close()
        self._take(self._in_memory([*marks, *kept]))

    def _go_back_if_due(self) -> None:
        now = self._clock.monotonic()
        if now < self._probe_at:
            return
        self._probe_at = now + PROBE_SECONDS
        try:
            self._finish_recovery()
            disk = self._open_or_recover()
        except (sqlite3.Error, OSError) as error:
            self._say("the disk still cannot be used", error)
            return
        memory = self._ledger
        stored, ids = self._doubtful
        ids = ids & disk.partial_ids  # the others did not land, or went with a later attempt
        if not ids:
            stored = disk.commits_found
        landed = disk.commits_found > stored
        first = disk.next_partial
        try:
            disk.take_in(memory.everything(), ids if landed else set())
        except sqlite3.Error as error:
            self._say("the disk has no room yet", error)
            # What was just put may be there all the same, and will be put again.
            put = range(first, first + len(memory.partial_ids))
            self._doubtful = (stored, ids.union(put))
            disk.close()
            return
        self._doubtful = (0, set())
        memory.close()
        self._take(disk)
        self._counters.add(Counter.RETURNS_TO_DISK)
        log.warning("back on the disk", extra={"rows": disk.queued})

    def _take(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.generation += 1
        self._note_damage(ledger)

    def _note_damage(self, ledger: Ledger) -> None:
        if ledger.damaged:
            self._counters.add(Counter.ROWS_CORRUPT, ledger.damaged)
            log.error("rows fail their checksum", extra={"rows": ledger.damaged})

    def _say(self, what: str, error: Exception | None = None, **more: object) -> None:
        """One line a kind, and then each hundredth: a broken disk must not fill another."""
        self._told[what] += 1
        if self._told[what] % 100 == 1:
            extra = {**more, "times": self._told[what]}
            if error is not None:
                extra["reason"] = str(error)
            log.error(what, extra=extra)


class _StoredAfterAll(Exception):
    """A transaction that failed is in the file all the same."""


class _Moved(Exception):
    """The ledger became another one in the middle of a closing."""


def _within(rows: Iterable[Row], most_bytes: float) -> tuple[list[Row], Lost]:
    """As many of *rows* as fit, and what does not."""
    kept: list[Row] = []
    left = Lost()
    for table, row in rows:
        if isinstance(row[-1], bytes):
            most_bytes -= len(row[-1])
        if most_bytes > 0:
            kept.append((table, row))
        elif table in {"outbox", "partials"}:
            left += Lost(1, row[-2])
    return kept, left


def _readable(path: Path, most_bytes: int) -> list[Row]:
    """Rows of a file that cannot be written: all but the partial profiles, which wait for it."""
    try:
        if path.stat().st_size > 16 * most_bytes:
            return []
    except OSError:
        return []
    return [row for row in salvage(path) if row[0] != "partials"]


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's."""
    if isinstance(error, Damaged):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = [
    "Buffer",
    "Closing",
    "Delta",
    "NewRow",
    "OutboxRow",
    "WhenFull",
    "WindowKey",
]
