"""Commits: the agent stores partial profiles, then acknowledges the batches in them.

A batch reaches `Committer.add` once each of its observations is in an open profile or counted as
lost. Its acknowledgement is sent once that profile is stored. No other code sends acknowledgements.
"""

import logging
from collections import Counter as Counts
from collections.abc import Callable
from dataclasses import dataclass, field

from nilometer.predictions import PredictionRecord
from nilometer.profile import Coverage, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import Taken, lost, seen
from nilometer_agent.engine.predictions import EntityTruth, rows_of, rows_of_ground_truth
from nilometer_agent.engine.receive import Acknowledge, Receiver
from nilometer_agent.engine.suppress import Suppression
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Delta, LoggedRows, WindowKey

log = logging.getLogger("nilometer.agent")

OnCommitted = Callable[[list[SummarySample], list[SummarySample]], None]


@dataclass(slots=True)
class _Held:
    """The data that one commit stores, and the batches that it acknowledges.

    Attributes:
        received: Partial profiles as they were received.
        taken: Partial profiles after suppression, as they are stored.
        predictions: Records of logged predictions.
        ground_truth: Their ground truth, with its entity.
        sequences: Newest sequence by worker.
        waiting: For each connection, the function that acknowledges and the newest sequence.
        batches: Number of batches in the commit.
        coverages: Coverage of the stored samples.
        stored_at: Time of the transaction, monotonic seconds.
    """

    received: list[Taken] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    predictions: list[PredictionRecord] = field(default_factory=list)
    ground_truth: list[EntityTruth] = field(default_factory=list)
    sequences: dict[bytes, int] = field(default_factory=dict)
    waiting: dict[int, tuple[Acknowledge, int]] = field(default_factory=dict)
    batches: int = 0
    coverages: list[Coverage] = field(default_factory=list)
    stored_at: float = 0.0


class Committer:
    """Stores received profiles and acknowledges their batches. Only the engine's thread may call.

    Args:
        buffer: Outbox for everything durable.
        receiver: Receiver that holds the open profiles.
        suppression: Filter that removes data that must not be stored.
        counters: Counters of the agent.
        open_windows: Time of the newest data by window; a commit sets it for its windows.
        on_committed: Function that gets all committed samples: those that the agent decoded, and
            those that workers made.
        log_bytes: Limit of the outbox of logged predictions.
    """

    def __init__(
        self,
        buffer: Buffer,
        receiver: Receiver,
        suppression: Suppression,
        counters: Counters,
        open_windows: dict[WindowKey, float],
        on_committed: OnCommitted,
        log_bytes: int = 0,
    ) -> None:
        self._log_bytes = log_bytes
        self._open_windows = open_windows
        self._buffer = buffer
        self._receiver = receiver
        self._suppression = suppression
        self._counters = counters
        self._on_committed = on_committed
        self._disarmed = 0  # disabled profilers that are already in the counters
        self._over_limit = 0  # refused columns that are already in the counters
        self._entities = 0  # requests over the entity limit, already in the counters
        self._forgotten = 0  # forgotten names that are already in the counters
        self._committed = buffer.worker_sequences()
        self._held = _Held()
        self._stored: _Held | None = None  # not acknowledged yet

    @property
    def uncommitted(self) -> int:
        """Number of batches that were received and are not committed."""
        return self._held.batches

    def is_repeated(self, worker: bytes, sequence: int, acknowledge: Acknowledge) -> bool:
        """Whether a batch was sent before; it counts once, acknowledged with its first copy."""
        self._finish()
        if sequence <= self._committed.get(worker, 0):
            acknowledge(sequence)
        elif sequence <= self._held.sequences.get(worker, 0):
            self._held.waiting[id(acknowledge)] = (acknowledge, sequence)
        else:
            return False
        self._counters.add(Counter.BATCHES_REPEATED)
        return True

    def add(self, worker: bytes, sequence: int, acknowledge: Acknowledge) -> None:
        """Acknowledge a batch with the next commit, because all of it is accounted for.

        May be called twice.
        """
        held = self._held
        held.waiting[id(acknowledge)] = (acknowledge, sequence)
        if sequence > held.sequences.get(worker, 0):
            held.sequences[worker] = sequence
            held.batches += 1

    def commit(self, now: float) -> None:
        """Store and acknowledge everything that was received.

        If this raises, for example on a full disk, the data waits for the next attempt and nothing
        is acknowledged.

        Args:
            now: Monotonic seconds.
        """
        self._finish()
        held = self._held
        self._receiver.take_into(held.received)
        self._receiver.logged.take_into(held.predictions, held.ground_truth)
        filtered, cells = self._suppression.filtered(held.received)
        # One statement, so that samples are never filtered twice, even if a later statement raises.
        held.taken[len(held.taken) :], held.received, self._suppression.cells = filtered, [], cells
        self._count_disarmed()
        self._count_over_limit()
        self._count_entities()
        self._count_forgotten()
        self._count_left_out()
        if not held.taken and not held.sequences:
            return
        deltas = self._deltas(held)
        samples = (sample for _, samples, _ in held.taken for sample in samples)
        held.coverages = [one.coverage for one in samples if one.summary == SERVICE]
        held.stored_at = now
        store, fresh = self._buffer.commit_deltas, _Held()
        rows = rows_of(held.predictions) + rows_of_ground_truth(held.ground_truth)
        logged = LoggedRows(rows, self._log_bytes)
        # One statement, so that samples are never stored twice, even if a later statement raises.
        _, self._stored, self._held = store(deltas, held.sequences, logged), held, fresh
        self._finish()

    def _finish(self) -> None:
        """Count and acknowledge the stored data; after an error, a further call continues."""
        held = self._stored
        if held is None:
            return
        self._receiver.release_taken()
        self._committed.update(held.sequences)
        for key, _, _ in held.taken:
            self._open_windows[key] = held.stored_at
        self._counters.cover(held.coverages, held)
        if held.taken:
            self._report(held)
        self._counters.add(Counter.COMMITS)
        for acknowledge, sequence in held.waiting.values():
            acknowledge(sequence)
        self._stored = None

    def _report(self, held: _Held) -> None:
        """Report the commit to the metrics, once, because metrics cannot be taken back."""
        decoded: list[SummarySample] = []
        made_elsewhere: list[SummarySample] = []
        for _, samples, decoded_here in held.taken:
            (decoded if decoded_here else made_elsewhere).extend(samples)
        held.taken = []
        try:
            self._on_committed(decoded, made_elsewhere)
        except Exception:
            log.exception("metrics not updated for a commit: its data is stored")

    def _deltas(self, held: _Held) -> list[Delta]:
        """Return the deltas to store; profiles that cannot be stored are counted as lost instead.

        Otherwise one number that fits into no database column would block all later commits.
        """
        deltas: list[Delta] = []
        storable: list[Taken] = []
        for one in held.taken:
            key, samples, _ = one
            try:
                delta = _delta(key, samples)
            except Exception:
                log.exception(
                    "profile cannot be stored, counting its observations as lost",
                    extra={"entity": key.entity},
                )
                one = lost(key, seen(samples))  # noqa: PLW2901  in its place
                delta = _delta(one[0], one[1])
            deltas.append(delta)
            storable.append(one)
        held.taken = storable
        return deltas

    def _count_over_limit(self) -> None:
        over_limit = self._receiver.columns_over_limit
        self._counters.add(Counter.COLUMNS_OVER_LIMIT, over_limit - self._over_limit)
        self._over_limit = over_limit

    def _count_entities(self) -> None:
        over_limit = self._receiver.entities_over_limit
        self._counters.add(Counter.ENTITIES_OVER_LIMIT, over_limit - self._entities)
        self._entities = over_limit

    def _count_forgotten(self) -> None:
        forgotten = self._suppression.cells.forgotten
        self._counters.add(Counter.NAMES_FORGOTTEN, forgotten - self._forgotten)
        self._forgotten = forgotten

    def _count_left_out(self) -> None:
        left_out, self._receiver.logged.left_out = self._receiver.logged.left_out, Counts()
        if left_out:
            self._counters.add_all({}, {Counter.PREDICTIONS_LEFT_OUT: left_out})

    def _count_disarmed(self) -> None:
        disarmed = self._receiver.disarmed
        self._counters.add(Counter.PROFILERS_DISARMED, disarmed - self._disarmed)
        self._disarmed = disarmed


def _delta(key: WindowKey, samples: list[SummarySample]) -> Delta:
    """Return a partial profile in the form that the outbox stores.

    Raises:
        ValueError: If a number does not fit into its field.
    """
    return Delta(key, samples_to_bytes(samples), seen(samples))
