"""The one thread that decodes, profiles, commits and closes windows.

A batch is acknowledged when the partial profile that contains it is committed. Partial profiles
of an open window are deltas; when the window closes they are merged in one transaction into
samples and evaluations in the outbox. What arrives for a closed window makes a further sample of
it and is not judged again.
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
from nilometer_agent.engine.judge import Judge
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
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

INBOX_BATCHES = 64  # when full, the sockets are not read and the workers hold what they have
INBOX_BYTES = 4 << 20  # of them: one batch may be as large as that
MAX_UNCOMMITTED_BATCHES = 512
HUNG_SECONDS = 120.0  # a commit on a slow disk takes a while; a step that takes longer hangs
BLOCKED_SECONDS = 0.2  # between attempts to commit while nothing can be stored
RETRY_SECONDS = 0.05  # after a step that failed

# Where numbers are told in groups only, a commit waits for more of them, so that groups are narrow
# and few cells stay under the limit; not longer than OTLP in waits for its acknowledgement.
GATHER_SECONDS = 4.0
GATHERED = 2000  # observations that are enough
GATHERED_BYTES = 4 << 20  # of batches: a quarter of what a worker holds by default

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch and whom to tell when it is committed; without a batch: commit now."""

    batch: Batch | None
    acknowledge: Acknowledge


@dataclass(slots=True)
class _Flush:
    """A request to close every window."""

    done: threading.Event = field(default_factory=threading.Event)
    samples: int = 0


class Inbox(queue.Queue[Arrival | _Flush]):
    """Batches on their way to the engine: full at `INBOX_BATCHES`, or with `INBOX_BYTES` of them."""

    def __init__(self) -> None:
        self._held = 0
        super().__init__(INBOX_BATCHES)

    @property
    def batches(self) -> int:
        """Batches that wait."""
        return len(self.queue)

    # What `queue.Queue` lets a subclass define; it holds its lock meanwhile.

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
    """Bytes of what *batch* holds."""
    return len(batch.observations) + sum(map(len, batch.partials))


@dataclass(slots=True)
class _Gathered:
    """What came since the last commit.

    Attributes:
        observations: Decoded here or by workers.
        packed_bytes: That workers hold until they are acknowledged.
    """

    observations: int = 0
    packed_bytes: int = 0

    def add(self, batch: Batch) -> None:
        """Add what *batch* holds."""
        self.observations += batch.count
        self.packed_bytes += packed_bytes(batch)

    @property
    def is_enough(self) -> bool:
        """Whether there is company enough, or workers hold as much as they should."""
        return self.observations >= GATHERED or self.packed_bytes >= GATHERED_BYTES


class Engine:
    """Receives batches, owns the open profiles. Only `run` touches them.

    Args:
        settings: What the agent was told.
        buffer: Where everything durable goes.
        plans: References and alerters.
        counters: What is counted.
        clock: Wall and monotonic time.
        on_observed: Called with the packed observations of a batch before they are committed (for
            export): entity, labels, worker, observations; must not raise.
        on_cost: Called with what observing cost a worker: entity, labels, worker, cost; must not
            raise.
        on_committed: Called with the samples of all that was committed: those decoded here, and
            those that workers made; must not raise.
        on_closed: Called with the samples and evaluations of a closed window; must not raise.
        on_queued: Called when the outbox has new rows.
        in_work: What the agent before ended with, and this one has in work; None names nothing.
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
        self._closer = Closer(
            settings,
            buffer,
            Judge(buffer, plans, counters),
            self._receiver.watermarks,
            counters,
            clock,
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
        )
        self._in_work = in_work or InWork(None, {})
        self._trial = Trial(self._receiver, self._stopping, self._note_alive)
        self._item: Arrival | _Flush | None = None  # not done
        self._receipt: Receipt | None = None  # of a batch that is not accounted for yet
        self._lost_as = DropReason.INTERNAL_ERROR
        self._gathered = _Gathered()
        self._beat = now = clock.monotonic()
        self._commit_at = now + self._commit_seconds
        self._thread = threading.Thread(target=self._run, name="nilometer-engine", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def uncommitted(self) -> int:
        """Batches that were received and are not committed."""
        return self._committer.uncommitted + self._inbox.batches

    def offer(self, arrival: Arrival) -> None:
        """Take a batch; waits while the inbox is full."""
        self._inbox.put(arrival)

    def offer_now(self, arrival: Arrival) -> bool:
        """Take a batch if there is room in the inbox; whether there was."""
        try:
            self._inbox.put_nowait(arrival)
        except queue.Full:
            return False
        return True

    def refuse(self) -> None:
        """Count a message that broke the contract: nothing of it was taken."""
        self._counters.add(Counter.REFUSED_BATCHES)

    def flush(self, timeout: float) -> int:
        """Close every window now, whole or not; returns the samples that were queued."""
        request = _Flush()
        self._inbox.put(request)
        request.done.wait(timeout)
        return request.samples

    def stop(self, timeout: float) -> None:
        """Commit what is held, close every window, and end the thread.

        Safe before `start`, and twice.
        """
        if self._thread.is_alive():
            self._stopping.set()
            self._inbox.put(Arrival(None, lambda _: None))
            self._thread.join(timeout)

    @property
    def works(self) -> bool:
        """Whether its thread is alive and has gone round within `HUNG_SECONDS`."""
        return self._thread.is_alive() and self._clock.monotonic() - self._beat < HUNG_SECONDS

    def _note_alive(self) -> None:
        self._beat = self._clock.monotonic()

    def _run(self) -> None:
        while True:
            self._note_alive()
            if self._is_full and not self._stopping.is_set():
                # Nothing can be stored: the inbox fills, and flow control holds the workers.
                self._stopping.wait(BLOCKED_SECONDS)
            elif self._item is None:
                wait = max(self._commit_at - self._clock.monotonic(), 0.001)
                with suppress(queue.Empty):
                    self._item = self._inbox.get(timeout=wait)
            try:
                self._step()
            except BaseException:  # a decoder may raise SystemExit: without this thread all stands
                # The item stays: a later batch must not acknowledge one that is not accounted for.
                log.exception("an engine step failed")
                self._stopping.wait(RETRY_SECONDS)
            if self._stopping.is_set() and self._item is None and self._inbox.empty():
                self._close_all()
                return

    @property
    def _is_full(self) -> bool:
        """Whether everything must be committed before more is received."""
        many = self._committer.uncommitted >= MAX_UNCOMMITTED_BATCHES
        return many or self._receiver.is_full

    def _step(self) -> None:
        """Do what the item asks for, then what is due."""
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
            self._buffer.tend()
            # From here, not from before: a slow disk must leave time to receive in between.
            self._commit_at = self._clock.monotonic() + self._commit_seconds

    @property
    def _gather_seconds(self) -> float:
        """Longest wait for company, where numbers need it to be told; else 0."""
        return GATHER_SECONDS if self._plans.active.disclosure.coarsens else 0.0

    @property
    def _commit_seconds(self) -> float:
        """Longest wait for a commit."""
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
        """Receive a batch that was in work when an agent ended, with nothing else in work.

        Where that has ended agents before, what ends them is dropped, and nothing else is.
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
            # The same bytes would fail for ever: count the batch and go on.
            over = isinstance(error, OverBudget)
            self._lost_as = DropReason.TOO_LARGE if over else DropReason.MALFORMED_BATCH
            self._counters.add(Counter.MALFORMED_BATCHES)
            log.error("batch refused", extra={"reason": str(error)[:200]})  # noqa: TRY400
        self._account()

    def _account(self) -> None:
        """Let the batch under way be acknowledged: what is not in a profile of it is lost.

        Where something was raised in the middle of it, the next step comes here first.
        """
        receipt = self._receipt
        if receipt is None:
            return
        batch = receipt.batch
        self._receiver.make_up(receipt, self._lost_as)
        self._committer.add(batch.worker, batch.sequence, receipt.acknowledge)
        self._counters.add(Counter.BATCHES)
        if not self._gathered.observations:
            # The first of them waits for company as long as any.
            self._commit_at = max(self._commit_at, self._clock.monotonic() + self._gather_seconds)
        self._gathered.add(batch)
        self._item = self._receipt = None

    def _commit(self) -> None:
        now = self._clock.monotonic()
        self._commit_at = now + self._commit_seconds
        self._gathered = _Gathered()
        self._committer.commit(now)
        self._in_work.clear()

    def _close_all(self) -> int:
        self._commit()
        return self._closer.close_all()
