"""Committing: partial profiles are stored, then what they hold is acknowledged."""

import logging
from collections.abc import Callable, Sequence

from nilometer.profile import Coverage, Profile, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.reasons import DropReason
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import seen
from nilometer_agent.engine.receive import Receiver, Taken
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Delta, WindowKey

log = logging.getLogger("nilometer.agent")

Acknowledge = Callable[[int], None]
OnCommitted = Callable[[list[SummarySample], list[SummarySample]], None]


class Committer:
    """Stores what was received, and acknowledges it. Only the engine's thread may call.

    Args:
        buffer: Where everything durable goes.
        receiver: Holds what was received.
        counters: What is counted.
        on_committed: Called with the samples of all that was committed: those decoded here, and
            those that workers made.

    Attributes:
        uncommitted: Batches that were received and are not committed.
    """

    def __init__(
        self, buffer: Buffer, receiver: Receiver, counters: Counters, on_committed: OnCommitted
    ) -> None:
        self._buffer = buffer
        self._receiver = receiver
        self._counters = counters
        self._on_committed = on_committed
        self._disarmed = 0  # profilers that were counted
        self._taken: list[Taken] = []
        self._committed = buffer.worker_sequences()
        self._pending: dict[bytes, int] = {}
        self._to_acknowledge: dict[int, tuple[Acknowledge, int]] = {}
        self.uncommitted = 0

    def is_new(self, worker: bytes, sequence: int, acknowledge: Acknowledge) -> bool:
        """Note a batch that came; false for one that came before, which counts once."""
        if sequence <= self._committed.get(worker, 0):
            self._counters.add(Counter.BATCHES_REPEATED)
            acknowledge(sequence)
            return False
        self._to_acknowledge[id(acknowledge)] = (acknowledge, sequence)
        if sequence <= self._pending.get(worker, 0):
            self._counters.add(Counter.BATCHES_REPEATED)
            return False
        self._pending[worker] = sequence
        self.uncommitted += 1
        return True

    def commit(self, open_windows: dict[WindowKey, float], now: float) -> None:
        """Store and acknowledge everything that was received.

        Args:
            open_windows: Gets *now* for each window that was added to.
            now: Monotonic seconds.
        """
        self._receiver.take_into(self._taken)
        if self._taken or self._pending:
            # When this raises - a full disk - what was taken waits here for the next attempt, and
            # nothing of it is acknowledged.
            deltas = self._deltas()
            self._buffer.commit_deltas(deltas, self._pending)
            self._counters.add(Counter.COMMITS)
        self._count_disarmed()
        taken, self._taken = self._taken, []
        self._committed.update(self._pending)
        self._pending = {}
        self.uncommitted = 0
        decoded: list[SummarySample] = []
        made_elsewhere: list[SummarySample] = []
        for key, samples, decoded_here in taken:
            open_windows[key] = now
            for sample in samples:
                self._count(sample)
            (decoded if decoded_here else made_elsewhere).extend(samples)
        if taken:
            self._on_committed(decoded, made_elsewhere)
        self._acknowledge()

    def _deltas(self) -> list[Delta]:
        """What was taken, as it is stored; what cannot be is booked as lost instead.

        A number that nothing can hold would otherwise hold up everybody's observations for ever.
        """
        deltas: list[Delta] = []
        storable = []
        for one in self._taken:
            key, samples, _ = one
            try:
                deltas.append(_delta(key, samples))
                storable.append(one)
            except (ValueError, OverflowError):
                log.exception("a profile cannot be stored", extra={"entity": key.entity})
                lost = _lost(key, samples)
                deltas.append(_delta(lost[0], lost[1]))
                storable.append(lost)
        self._taken = storable
        return deltas

    def _count_disarmed(self) -> None:
        disarmed = self._receiver.disarmed
        self._counters.add(Counter.PROFILERS_DISARMED, disarmed - self._disarmed)
        self._disarmed = disarmed

    def _count(self, sample: SummarySample) -> None:
        if sample.summary != SERVICE:
            return
        coverage = sample.coverage
        self._counters.add(Counter.OBSERVATIONS, coverage.seen)
        self._counters.add(Counter.PROFILED, coverage.profiled)
        self._counters.add_reasons(Counter.UNDECODABLE, coverage.undecodable)
        self._counters.add_reasons(Counter.DROPPED, coverage.dropped)

    def _acknowledge(self) -> None:
        waiting, self._to_acknowledge = self._to_acknowledge, {}
        for acknowledge, sequence in waiting.values():
            acknowledge(sequence)


def _delta(key: WindowKey, samples: Sequence[SummarySample]) -> Delta:
    """A partial profile as it is stored.

    Raises:
        ValueError: If it holds a number that no field has room for.
    """
    return Delta(key, samples_to_bytes(samples), seen(samples))


def _lost(key: WindowKey, samples: Sequence[SummarySample]) -> Taken:
    """In place of what cannot be stored: that so many observations were lost."""
    profile = Profile(key.entity, key.labels, key.window)
    profile.cover(Coverage(dropped={DropReason.INTERNAL_ERROR.value: seen(samples)}))
    return key, profile.samples(), True
