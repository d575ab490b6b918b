"""Committing: partial profiles are stored, then what they hold is acknowledged.

A batch reaches `Committer.add` once all of its observations are in an open profile or counted as
lost, and its acknowledgement is sent once that profile is stored. There is no other way to an
acknowledgement.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from nilometer.profile import Coverage, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import Taken, lost, seen
from nilometer_agent.engine.receive import Acknowledge, Receiver
from nilometer_agent.engine.suppress import Suppression
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Delta, WindowKey

log = logging.getLogger("nilometer.agent")

OnCommitted = Callable[[list[SummarySample], list[SummarySample]], None]


@dataclass(slots=True)
class _Held:
    """What one commit stores, and whom it acknowledges.

    Attributes:
        received: Partial profiles as they were received.
        taken: Partial profiles as they may be told.
        sequences: Newest sequence by worker.
        waiting: Whom to tell, and what: the newest sequence of each connection.
        batches: Number of batches in it.
        coverages: Of what is stored: what becomes of the observations in it.
        stored_at: Monotonic seconds.
    """

    received: list[Taken] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    sequences: dict[bytes, int] = field(default_factory=dict)
    waiting: dict[int, tuple[Acknowledge, int]] = field(default_factory=dict)
    batches: int = 0
    coverages: list[Coverage] = field(default_factory=list)
    stored_at: float = 0.0


class Committer:
    """Stores what was received, and acknowledges it. Only the engine's thread may call.

    Args:
        buffer: Where everything durable goes.
        receiver: Holds what was received.
        suppression: Decides what of it may be told.
        counters: What is counted.
        open_windows: Gets the time of the commit for each window that was added to.
        on_committed: Called with the samples of all that was committed: those decoded here, and
            those that workers made.
    """

    def __init__(
        self,
        buffer: Buffer,
        receiver: Receiver,
        suppression: Suppression,
        counters: Counters,
        open_windows: dict[WindowKey, float],
        on_committed: OnCommitted,
    ) -> None:
        self._open_windows = open_windows
        self._buffer = buffer
        self._receiver = receiver
        self._suppression = suppression
        self._counters = counters
        self._on_committed = on_committed
        self._disarmed = 0  # profilers that were counted
        self._over_limit = 0  # columns that were counted
        self._committed = buffer.worker_sequences()
        self._held = _Held()
        self._stored: _Held | None = None  # not acknowledged yet

    @property
    def uncommitted(self) -> int:
        """Batches that were received and are not committed."""
        return self._held.batches

    def is_repeated(self, worker: bytes, sequence: int, acknowledge: Acknowledge) -> bool:
        """Whether a batch came before; it counts once, and is acknowledged with its first copy."""
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
        """Acknowledge a batch with the next commit: all of it is accounted for. Safe twice."""
        held = self._held
        held.waiting[id(acknowledge)] = (acknowledge, sequence)
        if sequence > held.sequences.get(worker, 0):
            held.sequences[worker] = sequence
            held.batches += 1

    def commit(self, now: float) -> None:
        """Store and acknowledge everything that was received.

        When this raises - a full disk - what was taken waits for the next attempt, and nothing of
        it is acknowledged.

        Args:
            now: Monotonic seconds.
        """
        self._finish()
        held = self._held
        self._receiver.take_into(held.received)
        told, cells = self._suppression.told(held.received)
        # One statement: what is told must not be told again, whatever is raised after it.
        held.taken[len(held.taken) :], held.received, self._suppression.cells = told, [], cells
        self._count_disarmed()
        self._count_over_limit()
        if not held.taken and not held.sequences:
            return
        deltas = self._deltas(held)
        samples = (sample for _, samples, _ in held.taken for sample in samples)
        held.coverages = [one.coverage for one in samples if one.summary == SERVICE]
        held.stored_at = now
        store, fresh = self._buffer.commit_deltas, _Held()
        # One statement: what is stored must not be stored again, whatever is raised after it.
        _, self._stored, self._held = store(deltas, held.sequences), held, fresh
        self._finish()

    def _finish(self) -> None:
        """Count and acknowledge what is stored; goes on where an error ended it."""
        held = self._stored
        if held is None:
            return
        self._receiver.handed_on()
        self._committed.update(held.sequences)
        for key, _, _ in held.taken:
            self._open_windows[key] = held.stored_at
        self._counters.cover(held.coverages, held)
        if held.taken:
            self._tell(held)
        self._counters.add(Counter.COMMITS)
        for acknowledge, sequence in held.waiting.values():
            acknowledge(sequence)
        self._stored = None

    def _tell(self, held: _Held) -> None:
        """Tell of what was committed; once, because the metrics of it cannot be taken back."""
        decoded: list[SummarySample] = []
        made_elsewhere: list[SummarySample] = []
        for _, samples, decoded_here in held.taken:
            (decoded if decoded_here else made_elsewhere).extend(samples)
        held.taken = []
        try:
            self._on_committed(decoded, made_elsewhere)
        except Exception:
            log.exception("metrics of a commit are missing")

    def _deltas(self, held: _Held) -> list[Delta]:
        """What was taken, as it is stored; what cannot be is booked as lost instead.

        A number that nothing can hold would otherwise hold up everybody's observations for ever.
        """
        deltas: list[Delta] = []
        storable: list[Taken] = []
        for one in held.taken:
            key, samples, _ = one
            try:
                delta = _delta(key, samples)
            except Exception:
                log.exception("a profile cannot be stored", extra={"entity": key.entity})
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

    def _count_disarmed(self) -> None:
        disarmed = self._receiver.disarmed
        self._counters.add(Counter.PROFILERS_DISARMED, disarmed - self._disarmed)
        self._disarmed = disarmed


def _delta(key: WindowKey, samples: list[SummarySample]) -> Delta:
    """A partial profile as it is stored.

    Raises:
        ValueError: If it holds a number that no field has room for.
    """
    return Delta(key, samples_to_bytes(samples), seen(samples))
