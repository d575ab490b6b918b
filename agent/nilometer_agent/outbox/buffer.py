"""The agent's durable state. The engine writes to it and the shipper reads from it.

While `Buffer.durable` is true, data is safe once a method has stored it and returned. It survives a
crash of the process and a loss of power. `nilometer_agent.outbox.failover` says what happens when
the disk fails.

Every loss is counted by its reason. Rows keep their epoch and sequence when they move, so that the
collector counts them once.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from nilometer_agent.outbox.rows import (
    NOT_LOGGED,
    Closing,
    Delta,
    LoggedRows,
    Lost,
    OutboxRow,
    Partial,
    WindowKey,
)
from nilometer_agent.outbox.sealing import NoSeal, Seal
from nilometer_agent.outbox.sparse_log import SparseLog

T = TypeVar("T")

log = logging.getLogger("nilometer.agent")


class Buffer:
    """Durable state of one agent. Any thread may call.

    Args:
        path: Path of the database file, in a directory that only this agent uses.
        clock: Monotonic time.
        counters: Counters of the agent.
        max_bytes: Largest size of the file; half of the free disk space if that is less.
        max_memory_bytes: Largest size of the outbox in memory, while the disk cannot be used.
        when_full: Policy for a full outbox.
        seal: Encryption of logged predictions.

    Attributes:
        seal: Encryption of logged predictions.

    Raises:
        sqlite3.Error: From any method that writes, if neither disk nor memory has room; nothing is
            stored then.
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
        seal: Seal | None = None,
    ) -> None:
        self.path = path
        self.seal = seal or NoSeal()
        self._clock = clock or SystemClock()
        self._when_full = when_full
        self._lock = threading.RLock()
        self._counters = counters = counters or Counters()
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
        counters.add(Counter.PREDICTIONS_FOUND, found.logged.predictions)
        self._disk.ballast.restore()

    @property
    def _ledger(self) -> Ledger:
        return self._failover.ledger

    # State

    @property
    def generation(self) -> int:
        """Number of the current ledger; row ids are valid in one ledger only."""
        return self._failover.generation

    @property
    def durable(self) -> bool:
        """Whether the stored data is on disk."""
        return self._failover.durable

    @property
    def epoch(self) -> bytes:
        """Epoch of new rows, 16 random bytes."""
        return self._ledger.queue.epoch

    def worker_sequences(self) -> dict[bytes, int]:
        """Sequence of the last committed batch by worker."""
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
        """The newest plan, as the collector sent it."""
        with self._lock:
            return self._ledger.marks.plan

    @property
    def has_predictions(self) -> bool:
        """Whether logged predictions wait for the collector."""
        return self._ledger.logged.batches > 0

    def queued(self) -> int:
        """Number of rows that the collector has not acknowledged."""
        return self._ledger.queue.rows

    def gauges(self) -> dict[str, int]:
        """Return the current gauges by their names in docs/telemetry.md."""
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
                "predictions_in_outbox": ledger.logged.predictions,
                "prediction_log_bytes": ledger.logged.bytes,
                "buffer_bytes": used,
                "buffer_bytes_cap": ledger.database.most_bytes,
                "buffer_durable": int(self.durable),
                "lag_seconds": max(lag, 0) // 1_000_000_000,
            }

    # Methods for the engine

    def commit_deltas(
        self,
        deltas: Sequence[Delta],
        sequences: Mapping[bytes, int],
        predictions: LoggedRows = NOT_LOGGED,
    ) -> None:
        """Store partial profiles, the sequences of their batches, and predictions, all or nothing."""
        dropped = 0
        now_ns = self._clock.now_ns() if predictions.rows else 0
        seal = self.seal.seal
        sealed = LoggedRows(
            [replace(row, payload=seal(row.payload)) for row in predictions.rows],
            predictions.most_bytes,
        )

        def store(ledger: Ledger) -> None:
            nonlocal dropped
            dropped = ledger.commit_deltas(deltas, sequences, sealed, now_ns)

        with self._lock:
            self._failover.store(store)
            logged = sum(row.observations for row in predictions.rows)
            self._counters.add(Counter.PREDICTIONS_LOGGED, logged)
            self._drops.count_predictions(dropped)

    def forget_workers(self, keep: int) -> None:
        """Forget all workers except *keep* of them, those with the newest commits."""
        self._write(lambda ledger: ledger.marks.forget_workers(keep))

    def partials(self, key: WindowKey) -> Iterator[Partial]:
        """Yield the partial profiles of a window, oldest first."""
        for identity in self._write(lambda ledger: ledger.partials.ids_of(key)):
            yield self._partial(identity)

    def _partial(self, identity: int) -> Partial:
        return self._write(lambda ledger: ledger.partials.read(identity))

    def partial_bytes(self, key: WindowKey) -> int:
        """Return a lower bound of the size of a window's partial profiles, in bytes."""
        with self._lock:
            return self._ledger.partials.bytes_of(key)

    def close_windows(self, closings: Sequence[Closing], generation: int) -> bool:
        """Replace the partial profiles of windows by rows of the outbox, all or nothing.

        Args:
            closings: Windows with their rows and the ids of their partial profiles.
            generation: Generation in which the ids were read. In another one they are not valid,
                and nothing is closed.

        Returns:
            Whether the windows are closed.
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
        """Make the stored rows safe against a damaged log, so that they may be shipped."""
        self._write(lambda ledger: ledger.settle())

    def make_room(self) -> None:
        """Drop the oldest rows while the buffer is nearly full, if that is the policy."""
        with self._lock:
            while self._when_full is WhenFull.DROP_OLDEST and self._write(
                lambda ledger: ledger.database.is_nearly_full
            ):
                if not self._failover.drop():
                    return

    def maintain(self) -> None:
        """Do regular work: return to the disk, restore the ballast, adjust to the free space."""
        with self._lock:
            if not self.durable:
                self._failover.go_back_if_due()
            if self.durable:
                self._disk.ballast.restore()
                self._write(self._leave_room_to_others)

    def _leave_room_to_others(self, ledger: Ledger) -> None:
        missing = ledger.database.most_bytes - ledger.database.used_bytes()
        ledger.database.hold_size(is_scarce(self.path.parent, missing))

    # Methods for the shipper and the plan

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest rows, and the ids of corrupt ones.

        The result has at most *most* rows and *most_bytes* in total, but at least one waiting row.
        """
        with self._lock:
            found, corrupt = self._write(lambda ledger: ledger.queue.oldest(most, most_bytes))
            self._drops.give_out(found)
            return found, corrupt

    def acknowledge(
        self, rows: Iterable[OutboxRow], rejected: Mapping[int, str], corrupt: Iterable[int] = ()
    ) -> set[int]:
        """Delete *rows*; move *rejected* ids among them, and *corrupt* ids, to quarantine.

        Returns:
            Ids of *rows* that were dropped for space since `oldest` returned them. They are already
            counted as dropped.
        """
        rows = list(rows)
        reasons = {**rejected, **dict.fromkeys(corrupt, "checksum")}
        places = {(row.epoch, row.sequence) for row in rows}

        def forget(ledger: Ledger, generation: int = self.generation) -> Lost:
            queue = ledger.queue
            if self.generation == generation:
                return queue.acknowledge([*(row.id for row in rows), *reasons], reasons)
            # The ledger has changed, so rows are identified by epoch and sequence.
            here, _ = queue.oldest(1 << 30, 1 << 40)
            return queue.acknowledge(
                [row.id for row in here if (row.epoch, row.sequence) in places], {}
            )

        with self._lock:
            # Dropping the oldest rows for room makes no sense here, because these are the oldest.
            self._failover.write(forget, dropping=False)
            return self._drops.dropped_of(rows)

    def oldest_predictions(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest batches of predictions, and the ids of corrupt ones, like `oldest`."""
        return self._write(lambda ledger: ledger.logged.oldest(most, most_bytes))

    def forget_predictions(
        self, rows: Iterable[OutboxRow], corrupt: Sequence[int] = ()
    ) -> set[int]:
        """Delete batches of predictions, and *corrupt* ids.

        Returns:
            Ids of *rows* that were dropped for space since they were read. They are already counted
            as dropped.
        """
        places = [(row.id, (row.epoch, row.sequence)) for row in rows]
        with self._lock:
            deleted = self._failover.write(
                lambda ledger: ledger.logged.forget(places, corrupt), dropping=False
            )
            return {identity for identity, _ in places} - deleted

    def keep_plan(self, payload: bytes) -> None:
        """Store *payload* as the newest plan of the collector."""
        self._write(lambda ledger: ledger.marks.keep_plan(payload))

    def close(self) -> None:
        """Close the file. No method may be called afterwards."""
        with self._lock:
            if not self.durable:
                self._failover.go_back_if_due(now=True)
            queued = self._ledger.queue.rows
            if not self.durable and (queued or self._ledger.partials.windows()):
                log.error(
                    "rows in memory are lost, the disk cannot be used at shutdown: check the disk",
                    extra={"rows": queued},
                )
            self._ledger.close()

    def _write(self, work: Callable[[Ledger], T]) -> T:
        with self._lock:
            return self._failover.write(work)


class _Moved(Exception):
    """The ledger changed while windows were being closed."""
