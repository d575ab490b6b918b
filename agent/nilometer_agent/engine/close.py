"""Closing windows: decides when a window is over, and stores its results in one transaction."""

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from nilometer.alert import Evaluation, Verdict
from nilometer.profile import SummarySample
from nilometer.profile.coverage import added
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.reasons import DropReason
from nilometer_agent.engine.fatal_window import kills
from nilometer_agent.engine.in_work import InWork, Suspect, closing_of
from nilometer_agent.engine.judge import Judged, OpenWindow, judge, judged_as_lost
from nilometer_agent.engine.trial import Trial
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.faults import is_of_disk
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

RETRY_SECONDS = 10.0  # wait before a window that could not be closed is tried again
ATTEMPTS = 3  # failed attempts after which a window is closed without its profiles
CLOSINGS_AT_ONCE = 256  # windows closed in one transaction
SAMPLES_AT_ONCE = 1000  # samples after which the transaction ends

log = logging.getLogger("nilometer.agent")

OnClosed = Callable[[list[SummarySample], list[Evaluation]], None]


class Closer:
    """Closes open windows when they are over. Only the engine's thread may call.

    Args:
        settings: Settings of the agent.
        buffer: Outbox with the partial profiles and the rows.
        plans: Keeper of the references and alerters.
        watermarks: Newest event time by entity.
        counters: Counters of the agent.
        clock: Wall and monotonic time.
        in_work: Record of the windows that are being closed.
        trial: Trial for windows that crashed agents.
        on_closed: Function that gets the samples and evaluations of a closed window.
        on_queued: Function that is called when the outbox has new rows.

    Attributes:
        open: Time of the newest data of each open window, monotonic seconds.
    """

    def __init__(
        self,
        settings: AgentSettings,
        buffer: Buffer,
        plans: PlanKeeper,
        watermarks: Mapping[str, int],
        counters: Counters,
        clock: Clock,
        *,
        in_work: InWork,
        trial: Trial,
        on_closed: OnClosed,
        on_queued: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._plans = plans
        self._watermarks = watermarks
        self._counters = counters
        self._clock = clock
        self._in_work = in_work
        self._trial = trial
        self._on_closed = on_closed
        self._on_queued = on_queued
        now = clock.monotonic()
        self.open: dict[WindowKey, float] = dict.fromkeys(buffer.open_windows(), now)
        self._generation = buffer.generation
        self._retry_at: dict[WindowKey, float] = {}
        self._failures: dict[WindowKey, int] = {}
        # Stored windows that are not counted yet, in the order of their closing: who gets them judges
        # them in the order of time.
        self._stored: deque[Judged] = deque()
        self._unsettled = False  # whether stored rows are not released yet
        self._queued = 0  # samples that the current call of `close` has stored

    def close_all(self) -> int:
        """Close every window, ended or not; return the number of samples that were queued."""
        return self.close(list(self.open), self._clock.monotonic())

    def close_due(self, now: float) -> None:
        """Close the windows that are over at *now*, monotonic seconds."""
        if self._generation != self._buffer.generation:
            # The outbox has switched files. The new file may hold windows that are not known here.
            self._generation = self._buffer.generation
            for key in self._buffer.open_windows():
                self.open.setdefault(key, now)
        grace = int(self._settings.grace_seconds * NANOSECONDS)
        wall = self._clock.now_ns()
        due = []
        # A window also closes after `longest` without new data. This is monotonic time, so that a
        # jump of the wall clock cannot keep the window open.
        longest = (
            self._settings.window_seconds
            + self._settings.grace_seconds
            + self._settings.idle_close_seconds
        )
        for key, touched in self.open.items():
            passed = self._watermarks.get(key.entity, 0) >= key.window.end_ns + grace
            idle = now - touched >= self._settings.idle_close_seconds
            over = wall >= key.window.end_ns + grace or now - touched >= longest
            if passed or (idle and over):
                due.append(key)
        self.close(due, now)
        excess = len(self.open) - self._settings.max_open_windows
        if excess > 0:
            self._close_longest_idle(excess, now)

    def close_oldest(self, now: float) -> None:
        """Close half of the open windows to make room, beginning with those idle for longest."""
        self._close_longest_idle(-(-len(self.open) // 2), now)

    def _close_longest_idle(self, count: int, now: float) -> None:
        self.close(heapq.nsmallest(count, self.open, key=self.open.__getitem__), now)

    def close(self, keys: list[WindowKey], now: float) -> int:
        """Close windows, several in a transaction; return the number of samples that were queued.

        A window that cannot be closed does not delay the others. It is retried. After `ATTEMPTS` it
        is closed without its profiles, and their observations are counted as dropped. A window that
        crashed agents is closed alone, after the others.
        """
        self._finish()
        ready = [key for key in keys if now >= self._retry_at.get(key, 0.0)]
        ready.sort(key=lambda key: (key.window, key.entity, str(key.labels)))
        suspects = {key: self._in_work.suspect(*closing_of(key)) for key in ready}
        self._queued = 0
        self._close_together([key for key in ready if suspects[key] is None], now)
        for key, suspect in suspects.items():
            if suspect is not None:
                self._close_alone(key, suspect, now)
        if self._unsettled:
            self._buffer.settle()
            self._buffer.make_room()
            self._on_queued()
            self._unsettled = False
        return self._queued

    def _close_together(self, keys: list[WindowKey], now: float) -> None:
        left = iter(keys)
        while True:
            generation = self._buffer.generation
            judged = self._judge_some(left, now)
            if judged is None:
                return
            self._store(judged, generation, now)
            self._in_work.clear()

    def _close_alone(self, key: WindowKey, suspect: Suspect, now: float) -> None:
        """Close a window that crashed agents; drop its profiles if it crashes children as well."""
        if suspect.ends and self._trial.is_over:
            return  # the next agent retries it
        self._in_work.begin_alone(suspect, *closing_of(key))
        generation = self._buffer.generation
        judged = self._judge_safely(key, now, tried=suspect.ends > 0)
        if judged is not None:
            self._store([judged], generation, now)
        self._in_work.clear()

    def _judge_some(self, keys: Iterator[WindowKey], now: float) -> list[Judged] | None:
        """Return the next windows to close in one transaction; None if none is left."""
        judged: list[Judged] = []
        samples = looked_at = 0
        for key in keys:
            looked_at += 1
            self._in_work.begin(*closing_of(key))
            one = self._judge_safely(key, now)
            if one is not None:
                judged.append(one)
                samples += len(one.samples)
            if looked_at >= CLOSINGS_AT_ONCE or samples >= SAMPLES_AT_ONCE:
                break
        return judged if looked_at else None

    def _judge_safely(self, key: WindowKey, now: float, *, tried: bool = False) -> Judged | None:
        """Judge a window; return None if it has no profiles or will be retried later.

        Args:
            key: Key of the window.
            now: Monotonic seconds.
            tried: Whether to try it in a child process first.
        """
        try:
            judged = self._judge(key, tried=tried)
        except BaseException as error:  # the code of an extension may raise anything
            # A disk error does not mean that the window is faulty.
            self._note_failure(key, now, error, counts=not is_of_disk(error))
            return None
        if judged is None:
            self._forget(key)
        return judged

    def _judge(self, key: WindowKey, *, tried: bool) -> Judged | None:
        window = OpenWindow(
            key,
            lambda: self._buffer.partials(key),
            self._buffer.partial_bytes(key),
            late=key.window.end_ns <= self._buffer.closed_until(key.entity, key.labels),
            edge=self._plans.is_cut_off((key.window.end_ns - key.window.start_ns) / NANOSECONDS),
        )
        if self._failures.get(key, 0) >= ATTEMPTS:
            log.error(
                "window closed without its profiles, its observations are counted as lost: see "
                "the errors logged before this",
                extra={"entity": key.entity},
            )
            return judged_as_lost(window, DropReason.INTERNAL_ERROR)
        plan = self._plans.active
        if tried and kills(window, plan, self._trial, self._buffer.path.parent):
            log.error(
                "window closed without its profiles, its observations are dropped as poison: "
                "closing it crashed every process; please report this: entity %s, %d bytes",
                key.entity,
                window.size,
                extra={"entity": key.entity},
            )
            return judged_as_lost(window, DropReason.POISON)
        return judge(window, plan)

    def _note_failure(
        self, key: WindowKey, now: float, error: BaseException, *, counts: bool = True
    ) -> None:
        self._retry_at[key] = now + RETRY_SECONDS
        self._failures[key] = self._failures.get(key, 0) + int(counts)
        log.error(
            "window not closed, will retry: see the error below",
            exc_info=error,
            extra={"entity": key.entity},
        )

    def _store(self, judged: list[Judged], generation: int, now: float) -> None:
        """Store closed windows.

        Raises:
            Error: If neither disk nor memory can store anything.
        """
        store, closings = self._buffer.close_windows, [one.closing for one in judged]
        stored = deque(judged)
        try:
            # One statement, so that every stored window is counted, even if a later statement
            # raises.
            self._stored = stored if store(closings, generation) else deque()
        except Exception as error:
            if is_of_disk(error):
                raise
            if len(judged) == 1:
                self._note_failure(judged[0].closing.key, now, error)
            else:  # at least one window cannot be stored
                for one in judged:
                    self._store([one], generation, now)
        self._finish()

    def _finish(self) -> None:
        """Count the stored windows; continue where an earlier error stopped this."""
        add = self._counters.add_all
        while self._stored:
            judged = self._stored[0]
            self._unsettled = True
            self._forget(judged.closing.key)
            amounts = _amounts(judged)
            lost_cells = {Counter.CELLS_LOST: _lost_cells(judged)}
            # One statement, so that no window is counted twice, even if a later statement raises.
            _, judged = add(amounts, lost_cells), self._stored.popleft()
            self._queued += len(judged.samples)
            self._report(judged)

    def _report(self, judged: Judged) -> None:
        """Report a closed window to the log and the metrics."""
        if judged.damaged:
            log.error(
                "damaged partial profiles skipped, their observations are lost: check the disk",
                extra={"rows": judged.damaged},
            )
        try:
            self._on_closed(judged.samples, judged.evaluations)
        except Exception:  # an extension's metrics code may raise
            log.exception("metrics not updated for a closed window: its data is stored")

    def _forget(self, key: WindowKey) -> None:
        self.open.pop(key, None)
        self._retry_at.pop(key, None)
        self._failures.pop(key, None)


def _amounts(judged: Judged) -> dict[Counter, int]:
    """Return what a closed window adds to the counters."""
    breaches = sum(evaluation.verdict is Verdict.BREACH for evaluation in judged.evaluations)
    return {
        Counter.WINDOWS_CLOSED: 1,
        Counter.WINDOWS_LATE: int(judged.late),
        Counter.WINDOWS_LOST: int(judged.lost),
        Counter.ROWS_CORRUPT: judged.damaged,
        Counter.ROWS_QUEUED: len(judged.closing.rows),
        Counter.EVALUATIONS: len(judged.evaluations),
        Counter.BREACHES: breaches,
    }


def _lost_cells(judged: Judged) -> dict[str, int]:
    """Return the lost cells of a closed window by reason."""
    lost: dict[str, int] = {}
    for sample in judged.samples:
        lost = added(lost, sample.coverage.lost_cells)
    return lost
