"""The one thread that decodes, profiles, commits and closes windows.

A batch is acknowledged when the partial profile that contains it is committed. Partial profiles
of an open window are deltas; when the window closes they are merged in one transaction into
samples and evaluations in the outbox. What arrives for a closed window makes a further sample of
it and is not judged again.
"""

import dataclasses
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from nilometer.alert import Evaluation, Verdict, evaluate
from nilometer.profile import Coverage, FeatureSpec, Profile, SummarySample
from nilometer.profile.profiler import load
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import Segments
from nilometer.profiling.user_profilers import Runner
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import SERVICE, entity_name
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason
from nilometer.values.window import Window
from nilometer.wire.alerts import evaluation_to_bytes
from nilometer.wire.samples import (
    sample_from_wire,
    sample_to_bytes,
    samples_from_bytes,
    samples_to_bytes,
)
from nilometer.wire.services import CaptureBatch, CaptureCost
from nilometer_agent.engine.intake import MAX_LOST, MAX_TIME_NS
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, NewRow, WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper, Rules

INBOX_BATCHES = 64  # of at most 1 MiB; when full, gRPC's flow control holds the workers
MAX_PROFILINGS = 2000  # entities x label sets; what comes after goes to the overflow set
OVERFLOW = Labels.of(nilometer_overflow="true")
MAX_UNCOMMITTED_BATCHES = 512
RETRY_SECONDS = 10.0  # before a window that could not be closed is tried again
CLOSINGS_AT_ONCE = 256  # windows in one transaction
HUNG_SECONDS = 120.0  # a commit on a slow disk takes a while; a step that takes longer hangs
BLOCKED_SECONDS = 0.2  # between attempts to commit while nothing can be stored

# What reading another program's bytes may raise.
_UNREADABLE = (
    *(msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, NilometerError),
)

log = logging.getLogger("nilometer.agent")

_Taken: TypeAlias = tuple[WindowKey, list[SummarySample], bool]
Acknowledge = Callable[[int], None]
OnObserved = Callable[[str, Labels, bytes, bytes], None]
OnCost = Callable[[str, Labels, bytes, CaptureCost], None]
OnCommitted = Callable[[list[SummarySample], list[SummarySample]], None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch and whom to tell when it is committed; without a batch: commit now."""

    batch: CaptureBatch | None
    acknowledge: Acknowledge


@dataclass(frozen=True, slots=True)
class _Judged:
    """A window that is merged and judged, and not stored yet."""

    closing: Closing
    samples: list[SummarySample]
    evaluations: list[Evaluation]
    late: bool


@dataclass(slots=True)
class _Flush:
    """A request to close every window."""

    done: threading.Event = field(default_factory=threading.Event)
    samples: int = 0


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
        on_closed: Callable[[list[SummarySample], list[Evaluation]], None] = lambda _, __: None,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._plans = plans
        self._counters = counters
        self._clock = clock
        self._on_observed = on_observed
        self._on_cost = on_cost
        self._on_committed = on_committed
        self._on_closed = on_closed
        self._on_queued = on_queued
        self._window_ns = settings.window_seconds * NANOSECONDS
        self._inbox: queue.Queue[Arrival | _Flush] = queue.Queue(INBOX_BATCHES)
        self._stopping = threading.Event()
        self._segments = Segments.of(settings.segments)
        guests = load(settings.profilers)
        self._disarmed = 0  # of them that were counted
        self._guests = Runner(guests, settings.profiler_seconds) if guests else None
        self._profilings: dict[tuple[str, Labels], Profiling] = {}
        self._inside: dict[WindowKey, list[SummarySample]] = {}  # profiled in a worker
        # Taken from the profiles and not committed yet, and whether it was decoded here.
        self._taken: list[_Taken] = []
        self._watermarks: dict[str, int] = {}  # newest event time by entity
        now = clock.monotonic()
        self._open: dict[WindowKey, float] = dict.fromkeys(buffer.open_windows(), now)
        self._generation = buffer.generation
        self._retry_at: dict[WindowKey, float] = {}
        self._committed = buffer.worker_sequences()
        self._pending: dict[bytes, int] = {}
        self._to_acknowledge: dict[int, tuple[Acknowledge, int]] = {}
        self._uncommitted = 0
        self._commit_at = now + settings.commit_seconds
        self._beat = now
        self._thread = threading.Thread(target=self._run, name="nilometer-engine", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def uncommitted(self) -> int:
        """Batches that were received and are not committed."""
        return self._uncommitted + self._inbox.qsize()

    def offer(self, arrival: Arrival) -> None:
        """Take a batch; waits while the inbox is full."""
        self._inbox.put(arrival)

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

    def _run(self) -> None:
        while True:
            self._beat = self._clock.monotonic()
            item: Arrival | _Flush | None = None
            if self._uncommitted > MAX_UNCOMMITTED_BATCHES and not self._stopping.is_set():
                # Nothing can be stored: the inbox fills, and flow control holds the workers.
                self._stopping.wait(BLOCKED_SECONDS)
            else:
                wait = max(self._commit_at - self._clock.monotonic(), 0.001)
                with suppress(queue.Empty):
                    item = self._inbox.get(timeout=wait)
            try:
                self._step(item)
            except Exception:
                log.exception("an engine step failed")
            if self._stopping.is_set() and self._inbox.empty():
                self._close_all()
                return

    def _step(self, item: Arrival | _Flush | None) -> None:
        match item:
            case Arrival(batch=None):
                self._commit()
            case Arrival(batch=batch) if batch is not None:
                self._receive(batch, item.acknowledge)
            case _Flush():
                try:
                    item.samples = self._close_all()
                finally:
                    item.done.set()
            case _:
                pass
        now = self._clock.monotonic()
        if now >= self._commit_at or self._uncommitted >= MAX_UNCOMMITTED_BATCHES:
            self._commit()
            self._close_due(now)
            self._buffer.tend()
            # From here, not from before: a slow disk must leave time to receive in between.
            self._commit_at = self._clock.monotonic() + self._settings.commit_seconds

    # Receiving

    def _receive(self, batch: CaptureBatch, acknowledge: Acknowledge) -> None:
        self._counters.add(Counter.BATCHES)
        worker, sequence = batch.worker, batch.sequence
        if sequence <= self._committed.get(worker, 0):
            self._counters.add(Counter.BATCHES_REPEATED)
            acknowledge(sequence)
            return
        self._to_acknowledge[id(acknowledge)] = (acknowledge, sequence)
        if sequence <= self._pending.get(worker, 0):
            self._counters.add(Counter.BATCHES_REPEATED)
            return
        self._pending[worker] = sequence
        self._uncommitted += 1
        try:
            self._profile(batch)
        except _UNREADABLE as error:
            # The same bytes would fail for ever: count the batch and go on.
            self._counters.add(Counter.MALFORMED_BATCHES)
            log.error("batch refused", extra={"reason": str(error)[:200]})  # noqa: TRY400

    def _profile(self, batch: CaptureBatch) -> None:
        entity = entity_name(batch.entity)
        self._plans.see(entity)
        profiling = self._profiling(entity, Labels.of(dict(batch.labels)), batch.event_time_field)
        if batch.HasField("cost"):
            self._on_cost(entity, profiling.labels, batch.worker, batch.cost)
        if batch.dropped:
            profiling.book_drops(dict(batch.dropped), batch.dropped_unix_nano)
        try:
            samples = [sample_from_wire(partial) for partial in batch.partials]
            observed = profiling.observe_packed(batch.observations) if batch.observations else 0
            if _seen(samples) > MAX_LOST or any(
                not 0 <= sample.window.start_ns <= MAX_TIME_NS for sample in samples
            ):
                raise ValueError("partials of more observations, or of a time, that no row holds")
        except _UNREADABLE:
            lost = {DropReason.MALFORMED_BATCH.value: batch.count}
            profiling.book_drops(lost, batch.dropped_unix_nano or self._clock.now_ns())
            raise
        for sample in samples:
            start = sample.window.start_ns
            key = WindowKey(entity, sample.labels, Window.containing(start, self._window_ns))
            self._inside.setdefault(key, []).append(sample)
            self._watermark(entity, start)
        if observed:
            self._on_observed(entity, profiling.labels, batch.worker, batch.observations)
            self._watermark(entity, profiling.latest_ns)

    def _profiling(self, entity: str, labels: Labels, event_time_field: str) -> Profiling:
        if (entity, labels) not in self._profilings and len(self._profilings) >= MAX_PROFILINGS:
            labels = OVERFLOW
        profiling = self._profilings.get((entity, labels))
        if profiling is None:
            profiling = self._profilings[(entity, labels)] = Profiling(
                entity,
                labels,
                self._window_ns,
                spec_of=lambda summary: self._spec(entity, summary),
                segments=self._segments,
                max_label_sets=self._settings.max_label_sets,
                sample=self._settings.sample,
                guests=self._guests,
                reductions=self._settings.reductions,
            )
        profiling.event_time_field = event_time_field
        return profiling

    def _spec(self, entity: str, summary: str) -> FeatureSpec:
        spec = self._plans.rules.spec(entity, summary, self._settings.readable_categories)
        thresholds = self._settings.scores.get(summary)
        if thresholds is not None and thresholds != spec.score:
            spec = dataclasses.replace(spec, score=tuple(sorted(set(thresholds))))
        return spec

    def _watermark(self, entity: str, event_ns: int) -> None:
        self._watermarks[entity] = max(self._watermarks.get(entity, 0), event_ns)

    # Committing

    def _commit(self) -> None:
        now = self._clock.monotonic()
        self._commit_at = now + self._settings.commit_seconds
        for profiling in self._profilings.values():
            for profile in profiling.take():
                key = WindowKey(profile.entity, profile.labels, profile.window)
                self._taken.append((key, profile.samples(), True))
        for key, samples in self._inside.items():
            self._taken.append((key, samples, False))
        self._inside = {}
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
        self._uncommitted = 0
        decoded: list[SummarySample] = []
        made_elsewhere: list[SummarySample] = []
        for key, samples, decoded_here in taken:
            self._open[key] = now
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
        disarmed = len(self._guests.disarmed) if self._guests is not None else 0
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

    # Closing

    def _close_due(self, now: float) -> None:
        if self._generation != self._buffer.generation:
            # Another file, or the same again: it may hold windows that were not seen for a while.
            self._generation = self._buffer.generation
            for key in self._buffer.open_windows():
                self._open.setdefault(key, now)
        grace = int(self._settings.grace_seconds * NANOSECONDS)
        wall = self._clock.now_ns()
        due = []
        # However the wall clock jumps: a window is over when nothing came for longer than it is.
        longest = (
            self._settings.window_seconds
            + self._settings.grace_seconds
            + self._settings.idle_close_seconds
        )
        for key, touched in self._open.items():
            passed = self._watermarks.get(key.entity, 0) >= key.window.end_ns + grace
            idle = now - touched >= self._settings.idle_close_seconds
            over = wall >= key.window.end_ns + grace or now - touched >= longest
            if passed or (idle and over):
                due.append(key)
        self._close(due, now)

    def _close_all(self) -> int:
        self._commit()
        return self._close(list(self._open), self._clock.monotonic())

    def _close(self, keys: list[WindowKey], now: float) -> int:
        """Close windows, some in a transaction; returns the samples that were queued.

        One that cannot be closed is tried again later and holds up no other.
        """
        samples = 0
        ready = [key for key in keys if now >= self._retry_at.get(key, 0.0)]
        ready.sort(key=lambda key: (key.window, key.entity, str(key.labels)))
        for start in range(0, len(ready), CLOSINGS_AT_ONCE):
            generation = self._buffer.generation
            judged = [
                one
                for key in ready[start : start + CLOSINGS_AT_ONCE]
                if (one := self._judge_safely(key, now)) is not None
            ]
            if self._buffer.close_windows([one.closing for one in judged], generation):
                samples += sum(map(self._closed, judged))
        if samples:
            self._buffer.settle()
            self._buffer.make_room()
            self._on_queued()
        return samples

    def _judge_safely(self, key: WindowKey, now: float) -> _Judged | None:
        try:
            judged = self._judge(key)
        except Exception:
            self._retry_at[key] = now + RETRY_SECONDS
            log.exception("a window cannot be closed", extra={"entity": key.entity})
            return None
        if judged is None:
            self._open.pop(key, None)
        self._retry_at.pop(key, None)
        return judged

    def _judge(self, key: WindowKey) -> _Judged | None:
        """Merge a window's partial profiles and apply the alerters; None where there are none."""
        partials, corrupt = self._buffer.partials(key)
        if corrupt:
            self._counters.add(Counter.ROWS_CORRUPT, corrupt)
            log.error("partial profiles are damaged", extra={"rows": corrupt})
        if not partials:
            return None
        rules = self._plans.rules
        samples = merged(
            [samples_from_bytes(payload, rules.edges_of(key.entity)) for _, payload in partials],
            key,
        )
        evaluations: list[Evaluation] = []
        late = key.window.end_ns <= self._buffer.closed_until(key.entity, key.labels)
        if not late:
            schema = rules.schema(key.entity)
            changes = schema.sample(samples) if schema is not None else None
            samples += [changes] if changes is not None else []
            evaluations = evaluate_all(rules, samples)
        fewest = self._settings.suppress_below
        rows = [
            NewRow("sample", sample_to_bytes(sample.suppressed(fewest)), _seen([sample]))
            for sample in samples
        ]
        rows += [NewRow("evaluation", evaluation_to_bytes(one)) for one in evaluations]
        closing = Closing(key, [identity for identity, _ in partials], rows)
        return _Judged(closing, samples, evaluations, late)

    def _closed(self, judged: _Judged) -> int:
        """Count a window that is closed; returns its samples."""
        self._open.pop(judged.closing.key, None)
        self._counters.add(Counter.WINDOWS_CLOSED)
        self._counters.add(Counter.WINDOWS_LATE, int(judged.late))
        self._counters.add(Counter.ROWS_QUEUED, len(judged.closing.rows))
        self._counters.add(Counter.EVALUATIONS, len(judged.evaluations))
        breaches = sum(evaluation.verdict is Verdict.BREACH for evaluation in judged.evaluations)
        self._counters.add(Counter.BREACHES, breaches)
        self._on_closed(judged.samples, judged.evaluations)
        return len(judged.samples)


def _delta(key: WindowKey, samples: Sequence[SummarySample]) -> Delta:
    """A partial profile as it is stored.

    Raises:
        ValueError: If it holds a number that no field has room for.
    """
    return Delta(key, samples_to_bytes(samples), _seen(samples))


def _lost(key: WindowKey, samples: Sequence[SummarySample]) -> _Taken:
    """In place of what cannot be stored: that so many observations were lost."""
    profile = Profile(key.entity, key.labels, key.window)
    profile.cover(Coverage(dropped={DropReason.INTERNAL_ERROR.value: _seen(samples)}))
    return key, profile.samples(), True


def _seen(samples: Iterable[SummarySample]) -> int:
    """Observations that *samples* account for: each is in one service profile."""
    return sum(sample.coverage.seen for sample in samples if sample.summary == SERVICE)


def merged(parts: list[list[SummarySample]], key: WindowKey) -> list[SummarySample]:
    """One sample a summary of all *parts* of a window."""
    by_summary: dict[str, list[SummarySample]] = {}
    for part in parts:
        for sample in part:
            by_summary.setdefault(sample.summary, []).append(sample)
    return [
        SummarySample.merge_all(samples, key.window, key.labels)
        for _, samples in sorted(by_summary.items())
    ]


def evaluate_all(rules: Rules, samples: list[SummarySample]) -> list[Evaluation]:
    """Every alerter on every sample that it watches."""
    return [
        evaluate(alerter, sample, rules.references(sample.entity))
        for sample in samples
        for alerter in rules.alerters(sample.entity, sample.summary)
    ]
