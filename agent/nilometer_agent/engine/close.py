"""Closing windows: decides when a window is over, and stores its results in one transaction."""

import heapq
import logging
from collections.abc import Callable, Iterator, Mapping

from nilometer.alert import Evaluation, Verdict
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer_agent.engine.judge import Judge, Judged
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.settings import AgentSettings

RETRY_SECONDS = 10.0  # wait before a window that could not be closed is tried again
CLOSINGS_AT_ONCE = 256  # windows closed in one transaction
SAMPLES_AT_ONCE = 1000  # samples after which the transaction ends

log = logging.getLogger("nilometer.agent")

OnClosed = Callable[[list[SummarySample], list[Evaluation]], None]


class Closer:
    """Closes open windows when they are over. Only the engine's thread may call.

    Args:
        settings: Settings of the agent.
        buffer: Outbox with the partial profiles and the rows.
        judge: Judge that merges and judges the windows.
        watermarks: Newest event time by entity.
        counters: Counters of the agent.
        clock: Wall and monotonic time.
        on_closed: Function that gets the samples and evaluations of a closed window.
        on_queued: Function that is called when the outbox has new rows.

    Attributes:
        open: Time of the newest data of each open window, monotonic seconds.
    """

    def __init__(
        self,
        settings: AgentSettings,
        buffer: Buffer,
        judge: Judge,
        watermarks: Mapping[str, int],
        counters: Counters,
        clock: Clock,
        *,
        on_closed: OnClosed,
        on_queued: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._judge = judge
        self._watermarks = watermarks
        self._counters = counters
        self._clock = clock
        self._on_closed = on_closed
        self._on_queued = on_queued
        now = clock.monotonic()
        self.open: dict[WindowKey, float] = dict.fromkeys(buffer.open_windows(), now)
        self._generation = buffer.generation
        self._retry_at: dict[WindowKey, float] = {}

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
        # A window also closes after `longest` without new data, in monotonic time, so that a jump of
        # the wall clock cannot keep it open.
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
            self.close(heapq.nsmallest(excess, self.open, key=self.open.__getitem__), now)

    def close(self, keys: list[WindowKey], now: float) -> int:
        """Close windows, several in a transaction; return the number of samples that were queued.

        A window that cannot be closed is tried again later and does not delay the others.
        """
        samples = 0
        ready = [key for key in keys if now >= self._retry_at.get(key, 0.0)]
        ready.sort(key=lambda key: (key.window, key.entity, str(key.labels)))
        left = iter(ready)
        while True:
            generation = self._buffer.generation
            judged = self._judge_some(left, now)
            if judged is None:
                break
            if self._buffer.close_windows([one.closing for one in judged], generation):
                samples += sum(map(self._closed, judged))
        if samples:
            self._buffer.settle()
            self._buffer.make_room()
            self._on_queued()
        return samples

    def _judge_some(self, keys: Iterator[WindowKey], now: float) -> list[Judged] | None:
        """Return the next windows to close in one transaction; None if none is left."""
        judged: list[Judged] = []
        samples = looked_at = 0
        for key in keys:
            looked_at += 1
            one = self._judge_safely(key, now)
            if one is not None:
                judged.append(one)
                samples += len(one.samples)
            if looked_at >= CLOSINGS_AT_ONCE or samples >= SAMPLES_AT_ONCE:
                break
        return judged if looked_at else None

    def _judge_safely(self, key: WindowKey, now: float) -> Judged | None:
        try:
            judged = self._judge.judge(key)
        except Exception:
            self._retry_at[key] = now + RETRY_SECONDS
            log.exception("window not closed: will retry", extra={"entity": key.entity})
            return None
        if judged is None:
            self.open.pop(key, None)
        self._retry_at.pop(key, None)
        return judged

    def _closed(self, judged: Judged) -> int:
        """Count a window that is closed; return the number of its samples."""
        self.open.pop(judged.closing.key, None)
        self._counters.add(Counter.WINDOWS_CLOSED)
        self._counters.add(Counter.WINDOWS_LATE, int(judged.late))
        self._counters.add(Counter.ROWS_QUEUED, len(judged.closing.rows))
        self._counters.add(Counter.EVALUATIONS, len(judged.evaluations))
        breaches = sum(evaluation.verdict is Verdict.BREACH for evaluation in judged.evaluations)
        self._counters.add(Counter.BREACHES, breaches)
        self._on_closed(judged.samples, judged.evaluations)
        return len(judged.samples)
