"""The agent's durable state: what the engine puts into it and the shipper takes out.

What a method has stored is there when it returns, across a crash of the process and of the power
- while `Buffer.durable`. `nilometer_agent.outbox.failover` says what becomes of it when the disk
does not do as it should.

Every loss is counted by its reason. Rows keep their epoch and sequence wherever they go, so that
the collector counts them once.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from nilometer.values.clock import Clock, SystemClock
from nilometer.values.labels import Labels
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.disk import Disk
from nilometer_agent.outbox.disk_space import is_scarce
from nilometer_agent.outbox.failover import Failover
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.policy import Drops, WhenFull
from nilometer_agent.outbox.rows import Closing, Delta, Lost, OutboxRow, WindowKey
from nilometer_agent.outbox.sparse_log import SparseLog

T = TypeVar("T")

log = logging.getLogger("nilometer.agent")


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
        self._clock = clock or SystemClock()
        self._when_full = when_full
        self._lock = threading.RLock()
        counters = counters or Counters()
        sparse_log = SparseLog()
        self._disk = Disk(path, max_bytes, counters, sparse_log)
        self._drops = Drops(counters, sparse_log)
        self._failover = Failover(
            self._disk, self._drops, when_full, max_memory_bytes, self._clock, counters, sparse_log
        )
        found = self._ledger
        counters.add(
            Counter.OBSERVATIONS_FOUND, found.queue.observations + found.partials.observations
        )
        counters.add(Counter.ROWS_FOUND, found.queue.rows)
        self._disk.ballast.restore()

    @property
    def _ledger(self) -> Ledger:
        return self._failover.ledger

    # What everybody may ask

    @property
    def generation(self) -> int:
        """New whenever the ledger is another one: ids of rows are of one ledger only."""
        return self._failover.generation

    @property
    def durable(self) -> bool:
        """Whether what is stored is on disk."""
        return self._failover.durable

    @property
    def epoch(self) -> bytes:
        """Of rows that are put now."""
        return self._ledger.queue.epoch

    def worker_sequences(self) -> dict[bytes, int]:
        """The last committed batch of every worker that was seen."""
        with self._lock:
            return self._ledger.marks.worker_sequences()

    def open_windows(self) -> list[WindowKey]:
        """Windows that have partial profiles."""
        with self._lock:
            return self._ledger.partials.windows()

    def closed_until(self, entity: str, labels: Labels) -> int:
        """End of the newest window that was judged, Unix nanoseconds; 0 for none."""
        with self._lock:
            return self._ledger.marks.closed_until(entity, labels)

    def plan(self) -> bytes | None:
        """The newest plan of the collector, as it came."""
        with self._lock:
            return self._ledger.marks.plan

    def queued(self) -> int:
        """Rows the collector has not acknowledged."""
        return self._ledger.queue.rows

    def gauges(self) -> dict[str, int]:
        """What is held now, by the names of docs/telemetry.md."""
        with self._lock:
            ledger = self._ledger
            try:
                oldest = ledger.queue.oldest_created_ns()
                used = ledger.database.used_bytes()
                quarantined = ledger.queue.quarantined()
            except sqlite3.Error:
                oldest = used = quarantined = 0
            lag = self._clock.now_ns() - oldest if oldest else 0
            return {
                "rows_in_outbox": ledger.queue.rows,
                "rows_in_quarantine": quarantined,
                "observations_in_outbox": ledger.queue.observations,
                "observations_in_partials": ledger.partials.observations,
                "buffer_bytes": used,
                "buffer_bytes_cap": ledger.database.most_bytes,
                "buffer_durable": int(self.durable),
                "lag_seconds": max(lag, 0) // 1_000_000_000,
            }

    # What the engine does

    def commit_deltas(self, deltas: Sequence[Delta], sequences: Mapping[bytes, int]) -> None:
        """Store partial profiles and the batches they contain: all of it, or none."""
        with self._lock:
            self._failover.store(lambda ledger: ledger.commit_deltas(deltas, sequences))

    def forget_workers(self, keep: int) -> None:
        """Forget all workers but the *keep* that were heard last: the others are gone."""
        self._write(lambda ledger: ledger.marks.forget_workers(keep))

    def partials(self, key: WindowKey) -> Iterator[tuple[int, bytes | None]]:
        """(id, payload) of a window's partial profiles, read one by one; None for a damaged one."""
        for identity in self._write(lambda ledger: ledger.partials.ids_of(key)):
            yield identity, self._partial(identity)

    def _partial(self, identity: int) -> bytes | None:
        return self._write(lambda ledger: ledger.partials.payload(identity))

    def partial_bytes(self, key: WindowKey) -> int:
        """Bytes of a window's partial profiles, at least."""
        with self._lock:
            return self._ledger.partials.bytes_of(key)

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

            def close(ledger: Ledger) -> None:
                if self.generation != generation:
                    raise _Moved
                ledger.close_windows(closings, now_ns)

            try:
                self._failover.store(close)
            except _Moved:
                return False
            return True

    def settle(self) -> None:
        """Let the rows that were put so far be shipped."""
        self._write(lambda ledger: ledger.settle())

    def make_room(self) -> None:
        """Drop the oldest rows while the buffer is nearly full, where that is the policy."""
        with self._lock:
            while self._when_full is WhenFull.DROP_OLDEST and self._write(
                lambda ledger: ledger.database.is_nearly_full
            ):
                if not self._failover.drop():
                    return

    def tend(self) -> None:
        """Do what is due: go back to the disk, take ballast, see what others leave of it."""
        with self._lock:
            if not self.durable:
                self._failover.go_back_if_due()
            if self.durable:
                self._disk.ballast.restore()
                self._write(self._leave_room_to_others)

    def _leave_room_to_others(self, ledger: Ledger) -> None:
        missing = ledger.database.most_bytes - ledger.database.used_bytes()
        ledger.database.hold_size(is_scarce(self.path.parent, missing))

    # What the shipper and the plan do

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Up to *most* rows of together *most_bytes* (one at least), and ids of corrupt ones."""
        with self._lock:
            found, corrupt = self._write(lambda ledger: ledger.queue.oldest(most, most_bytes))
            self._drops.give_out(found)
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
            queue = ledger.queue
            if self.generation == generation:
                return queue.acknowledge([*(row.id for row in rows), *reasons], reasons)
            # The ledger is another one: rows are known by what the collector knows them by.
            here, _ = queue.oldest(1 << 30, 1 << 40)
            return queue.acknowledge(
                [row.id for row in here if (row.epoch, row.sequence) in places], {}
            )

        with self._lock:
            # On a full disk nothing is dropped for it: the oldest rows are these.
            self._failover.write(forget, dropping=False)
            return self._drops.dropped_of(rows)

    def keep_plan(self, payload: bytes) -> None:
        """Remember *payload* as the newest plan of the collector."""
        self._write(lambda ledger: ledger.marks.keep_plan(payload))

    def close(self) -> None:
        """Let the file go; nothing may be called afterwards."""
        with self._lock:
            if not self.durable:
                self._failover.go_back_if_due(now=True)
            queued = self._ledger.queue.rows
            if not self.durable and (queued or self._ledger.partials.windows()):
                log.error(
                    "the disk cannot be used: what memory holds is lost", extra={"rows": queued}
                )
            self._ledger.close()

    def _write(self, work: Callable[[Ledger], T]) -> T:
        with self._lock:
            return self._failover.write(work)


class _Moved(Exception):
    """The ledger became another one in the middle of a closing."""
