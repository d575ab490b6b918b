"""The one thread that decodes, profiles, commits and closes windows.

A batch is acknowledged when the partial profile that contains it is committed. Partial profiles
of an open window are deltas. When the window closes, one transaction merges them and stores the
samples and evaluations in the outbox. Observations that arrive after the window closed become a
further sample, which is not judged.
"""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from nilometer.values.clock import Clock
from nilometer.values.entity import SCORES_SUFFIX
from nilometer.values.reasons import DropReason
from nilometer.wire.frames import Batch
from nilometer_agent.engine.close import Closer, OnClosed
from nilometer_agent.engine.commit import Committer, OnCommitted
from nilometer_agent.engine.in_work import InWork, Suspect
from nilometer_agent.engine.poison import without_poison
from nilometer_agent.engine.receive import (
    UNREADABLE,
    Acknowledge,
    OnCost,
    OnObserved,
    OverBudget,
    Receipt,
    Receiver,
)
from nilometer_agent.engine.suppress import Suppression
from nilometer_agent.engine.trial import Trial
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.faults import is_full
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

INBOX_BATCHES = 64  # when full, the agent stops reading the sockets and workers keep their batches
INBOX_BYTES = 4 << 20  # limit for the sum of all batches in the inbox, and so for a single batch
MAX_UNCOMMITTED_BATCHES = 512
HUNG_SECONDS = 120.0  # a longer step counts as hung; a commit to a slow disk may take a while
BLOCKED_SECONDS = 0.2  # pause between attempts to commit while the outbox cannot be written
RETRY_SECONDS = 0.05  # pause after a failed step

# If `fewest_values` is over 1, only groups of values are disclosed. A commit then waits for more
# observations, so that groups are narrow and few cells stay below the limit. The wait must not be
# longer than the OTLP receiver waits for its acknowledgement.
GATHER_SECONDS = 4.0
GATHERED = 2000  # observations after which a commit waits no longer
GATHERED_BYTES = 4 << 20  # batches of this size end the wait: a quarter of a worker's default limit

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch and the callback after its commit; without a batch it requests a commit now."""

    batch: Batch | None
    acknowledge: Acknowledge


@dataclass(slots=True)
class _Flush:
    """A request to close every window."""

    done: threading.Event = field(default_factory=threading.Event)
    samples: int = 0


class Inbox(queue.Queue[Arrival | _Flush]):
    """A queue of batches for the engine, limited to `INBOX_BATCHES` and `INBOX_BYTES`."""

    def __init__(self) -> None:
        self._held = 0
        super().__init__(INBOX_BATCHES)

    @property
    def batches(self) -> int:
        """Number of waiting batches."""
        return len(self.queue)

    # Hooks that `queue.Queue` calls while it holds its lock.

    def _put(self, item: Arrival | _Flush) -> None:
        super()._put(item)
        self._held += _bytes_of(item)

    def _get(self) -> Arrival | _Flush:
        item = super()._get()
        self._held -= _bytes_of(item)
        return item

    def _qsize(self) -> int:
        waiting = super()._qsize()
        return INBOX_BATCHES if waiting and self._held >= INBOX_BYTES else waiting


def _bytes_of(item: Arrival | _Flush) -> int:
    batch = item.batch if isinstance(item, Arrival) else None
    return 0 if batch is None else packed_bytes(batch)


def packed_bytes(batch: Batch) -> int:
    """Return the size of the observations and profiles in *batch*, in bytes."""
    return len(batch.observations) + sum(map(len, batch.partials))


@dataclass(slots=True)
class _Gathered:
    """Numbers about the batches since the last commit.

    Attributes:
        observations: Number of observations, decoded here or by workers.
        packed_bytes: Size of the batches, which workers keep until acknowledgement, in bytes.
    """

    observations: int = 0
    packed_bytes: int = 0

    def add(self, batch: Batch) -> None:
        """Add the numbers of *batch*."""
        self.observations += batch.count
        self.packed_bytes += packed_bytes(batch)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough observations to commit, or workers keep too many bytes."""
        return self.observations >= GATHERED or self.packed_bytes >= GATHERED_BYTES


class Engine:
    """Receives batches and owns the open profiles, which only its thread uses.

    No callback may raise.

    Args:
        settings: Settings of the agent.
        buffer: Outbox, which stores everything durable.
        plans: Keeper of the references and alerters.
        counters: Telemetry counters of the agent.
        clock: Wall and monotonic clock.
        on_observed: Callback before a commit with the predictions, see `receive.OnObserved`.
        on_cost: Callback with the entity, labels, worker and capture cost of a batch.
        on_committed: Callback with all committed samples, decoded here or made by workers.
        on_closed: Callback with the samples and evaluations of a closed window.
        on_queued: Callback after new rows were written to the outbox.
        in_work: Record of the batches in work, with those at the end of the previous agent;
            None keeps no record.
    """

    def __init__(
        self,
        settings: AgentSettings,
        buffer: Buffer,
        plans: PlanKeeper,
        counters: Counters,
        clock: Clock,
        *,
        on_observed: OnObserved = lambda *_: None,
        on_cost: OnCost = lambda *_: None,
        on_committed: OnCommitted = lambda *_: None,
        on_closed: OnClosed = lambda _, __: None,
        on_queued: Callable[[], None] = lambda: None,
        in_work: InWork | None = None,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._buffer = buffer
        self._counters = counters
        self._clock = clock
        self._inbox = Inbox()
        self._stopping = threading.Event()
        self._receiver = Receiver(settings, plans, clock, on_observed=on_observed, on_cost=on_cost)
        self._in_work = in_work or InWork(None, {})
        self._trial = Trial(self._receiver, self._stopping, self._note_alive)
        self._closer = Closer(
            settings,
            buffer,
            plans,
            self._receiver.watermarks,
            counters,
            clock,
            in_work=self._in_work,
            trial=self._trial,
            on_closed=on_closed,
            on_queued=on_queued,
        )
        self._committer = Committer(
            buffer,
            self._receiver,
            Suppression(plans, [f"{output}{SCORES_SUFFIX}" for output in settings.scores]),
            counters,
            self._closer.open,
            on_committed,
            settings.prediction_log_max_bytes,
        )
        self._item: Arrival | _Flush | None = None  # the item in work, until it is finished
        self._receipt: Receipt | None = None  # the batch in work, until it is accounted for
        self._lost_as = DropReason.INTERNAL_ERROR
        self._gathered = _Gathered()
        self._beat = now = clock.monotonic()
        self._commit_at = now + self._commit_seconds
        self._thread = threading.Thread(target=self._run, name="nilometer-engine", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def uncommitted(self) -> int:
        """Number of batches that were received but not committed."""
        return self._committer.uncommitted + self._inbox.batches

    def offer(self, arrival: Arrival) -> None:
        """Put a batch into the inbox; wait while the inbox is full."""
        self._inbox.put(arrival)

    def offer_now(self, arrival: Arrival) -> bool:
        """Put a batch into the inbox if there is room; return whether there was."""
        try:
            self._inbox.put_nowait(arrival)
        except queue.Full:
            return False
        return True

    def refuse(self) -> None:
        """Count an invalid message, which was refused as a whole."""
        self._counters.add(Counter.REFUSED_BATCHES)

    def flush(self, timeout: float) -> int:
        """Close every window now, even before its end; return the number of samples queued."""
        request = _Flush()
        self._inbox.put(request)
        request.done.wait(timeout)
        return request.samples

    def stop(self, timeout: float) -> None:
        """Commit all profiles, close every window, and end the thread.

        It may be called before `start`, and more than once.
        """
        if self._thread.is_alive():
            self._stopping.set()
            self._inbox.put(Arrival(None, lambda _: None))
            self._thread.join(timeout)

    @property
    def works(self) -> bool:
        """Whether the thread is alive and finished a step within `HUNG_SECONDS`."""
        return self._thread.is_alive() and self._clock.monotonic() - self._beat < HUNG_SECONDS

    def _note_alive(self) -> None:
        self._beat = self._clock.monotonic()

    def _run(self) -> None:
        while True:
            self._note_alive()
            if self._is_full and not self._stopping.is_set():
                # Nothing can be stored. The inbox fills, and flow control makes the workers wait.
                self._stopping.wait(BLOCKED_SECONDS)
            elif self._item is None:
                wait = max(self._commit_at - self._clock.monotonic(), 0.001)
                with suppress(queue.Empty):
                    self._item = self._inbox.get(timeout=wait)
            try:
                self._step()
            except BaseException:  # a decoder may raise SystemExit, and the thread must survive
                # Keep the item: a later batch must not acknowledge an unaccounted batch.
                log.exception("engine step failed, will retry: report this error")
                self._stopping.wait(RETRY_SECONDS)
            if self._stopping.is_set() and self._item is None and self._inbox.empty():
                self._close_all()
                return

    @property
    def _is_full(self) -> bool:
        """Whether everything must be committed before more is received."""
        return self._committer.uncommitted >= MAX_UNCOMMITTED_BATCHES or self._receiver.is_full

    def _step(self) -> None:
        """Process the current item, then commit and close windows if due."""
        self._account()
        match self._item:
            case Arrival(batch=None):
                self._commit()
            case Arrival(batch=batch) as arrival if batch is not None:
                self._receive(batch, arrival.acknowledge)
            case _Flush() as flush:
                try:
                    flush.samples = self._close_all()
                finally:
                    flush.done.set()
            case _:
                pass
        self._item = None
        now = self._clock.monotonic()
        if self._is_commit_due(now):
            self._commit()
            self._closer.close_due(now)
            self._buffer.maintain()
            # Count from the end of the commit, so that a slow disk leaves time to receive.
            self._commit_at = self._clock.monotonic() + self._commit_seconds

    @property
    def _gather_seconds(self) -> float:
        """Longest wait for observations, in seconds; 0 if the privacy level needs no groups."""
        return GATHER_SECONDS if self._plans.active.disclosure.coarsens else 0.0

    @property
    def _commit_seconds(self) -> float:
        """Longest time between commits, in seconds."""
        return max(self._settings.commit_seconds, self._gather_seconds)

    def _is_commit_due(self, now: float) -> bool:
        return (
            now >= self._commit_at
            or self._is_full
            or (self._plans.active.disclosure.coarsens and self._gathered.is_enough)
        )

    def _receive(self, batch: Batch, acknowledge: Acknowledge) -> None:
        if self._committer.is_repeated(batch.worker, batch.sequence, acknowledge):
            self._counters.add(Counter.BATCHES)
            return
        suspect = self._in_work.suspect(batch.worker, batch.sequence)
        if suspect is not None:
            self._receive_alone(batch, acknowledge, suspect)
            return
        self._in_work.begin(batch.worker, batch.sequence)
        self._profile(batch, acknowledge)

    def _receive_alone(self, batch: Batch, acknowledge: Acknowledge, suspect: Suspect) -> None:
        """Process a batch alone, because it was in work when an agent crashed.

        If it crashed agents repeatedly, only the observations that crash them are dropped.
        """
        self._commit()
        self._in_work.begin_alone(suspect, batch.worker, batch.sequence)
        ended_agents = suspect.ends > 0
        if ended_agents:
            batch = without_poison(batch, self._trial.poison(batch), self._clock.now_ns())
        self._profile(batch, acknowledge, apart=ended_agents)
        self._commit()

    def _profile(self, batch: Batch, acknowledge: Acknowledge, *, apart: bool = False) -> None:
        self._lost_as = DropReason.INTERNAL_ERROR
        self._receipt = receipt = self._receiver.receipt(batch, acknowledge)
        try:
            self._receiver.profile(receipt, apart=apart)
        except UNREADABLE as error:
            # The same bytes would fail every time, so the batch is counted as lost.
            over = isinstance(error, OverBudget)
            self._lost_as = DropReason.TOO_LARGE if over else DropReason.MALFORMED_BATCH
            self._counters.add(Counter.MALFORMED_BATCHES)
            log.error(  # noqa: TRY400
                "batch refused, its observations are lost: install one version in both",
                extra={"reason": str(error)[:200]},
            )
        self._account()

    def _account(self) -> None:
        """Count the rest of the current batch as lost, so that the batch can be acknowledged.

        After an error in the middle of a batch, the next step starts here.
        """
        receipt = self._receipt
        if receipt is None:
            return
        batch = receipt.batch
        self._receiver.make_up(receipt, self._lost_as)
        self._committer.add(batch.worker, batch.sequence, receipt.acknowledge)
        self._counters.add(Counter.BATCHES)
        if not self._gathered.observations:
            # The first batch after a commit gets the full wait, too.
            self._commit_at = max(self._commit_at, self._clock.monotonic() + self._gather_seconds)
        self._gathered.add(batch)
        self._item = self._receipt = None

    def _commit(self) -> None:
        now = self._clock.monotonic()
        self._commit_at = now + self._commit_seconds
        self._gathered = _Gathered()
        try:
            self._committer.commit(now)
        except Exception as error:
            if not is_full(error):
                raise
            # Open windows may fill the outbox. A closed window needs less space, and may be
            # dropped.
            self._closer.close_oldest(now)
            self._committer.commit(now)
        self._in_work.clear()

    def _close_all(self) -> int:
        self._commit()
        return self._closer.close_all()
