"""The overhead budget: measures the cost of observing, and limits how many bodies are held.

Cost is measured, not estimated. It has two parts. One is the CPU time of nilometer's threads, which
the kernel counts. The other is the time that nilometer adds to a request. A stopwatch measures it
for a few requests per second, and pauses while the application or the server works. Other requests
read no clock for this.

If a limit is set, a `Budget` halves the share of observations whose bodies are held until the cost
is under the limit. It doubles the share again after the cost was low for a while. Shares are powers
of two, so that windows with different shares merge with whole factors. Each observation that was
profiled at share *p* counts ``1 / p`` times, without rounding (`tests/handoff/test_budget.py`). The
random choice is made at the start of an observation, before anything is known about it. So no kind
of request is left out more often than another.

Requests, outcomes, latencies and sizes are never sampled: an observation that is left out is still
sent and counted, but without bodies.
"""

from collections import deque
from math import ceil, log2

from nilometer.profiling.observation import LEAST_SHARE
from nilometer.wire.frames import Cost

MOST_HALVINGS = round(-log2(LEAST_SHARE))
HALVINGS_AT_ONCE = 3
JUDGED_SECONDS = 0.5  # interval of judgements; an excess is reduced within twice this time
START_SECONDS = 2.0  # time after the start that is not judged, because it includes connecting
ROOMY = 0.8  # share of a limit below which the share of bodies may grow
FIRST_HOLD_SECONDS = 5.0  # time of low cost before the share is doubled for the first time
LONGEST_HOLD_SECONDS = 320.0
TIMED_REQUESTS = 256  # newest timed requests that are kept
FEWEST_TIMED = 20  # fewest timed requests for an estimate of the p99
BETWEEN_TIMED_SECONDS = 0.02


class Budget:
    """Decides the share of observations whose bodies are held. Reads no clock. Has one owner.

    Over a limit the share is halved, at most three times at once. It is doubled when the cost has
    been under `ROOMY` of each limit for a hold time. The hold time doubles after an increase that
    had to be reverted, and halves after an increase that lasted. So under constant load, attempts
    become rarer.

    Args:
        max_cpu_percent: Limit of the CPU time, in percent of one core; 0 for no limit.
        max_p99_seconds: Limit of the time added to a request at its 99th percentile; 0 for no
            limit.
    """

    def __init__(self, max_cpu_percent: float, max_p99_seconds: float) -> None:
        self.max_cpu_percent = max_cpu_percent
        self.max_p99_seconds = max_p99_seconds
        self.halvings = 0
        self.hold_seconds = FIRST_HOLD_SECONDS
        self._roomy_since: float | None = None
        self._raised_at: float | None = (
            None  # time of the latest increase, as long as it may be reverted
        )

    @property
    def is_set(self) -> bool:
        """Whether at least one limit is set."""
        return bool(self.max_cpu_percent or self.max_p99_seconds)

    @property
    def share(self) -> float:
        """The share of observations whose bodies are held: a power of two, at most 1."""
        return 2.0**-self.halvings

    def judge(self, now: float, cpu_percent: float, p99_seconds: float) -> bool:
        """Judge the cost since the last call; return whether it was over a limit.

        Args:
            now: Monotonic time, in seconds.
            cpu_percent: CPU time of nilometer, in percent of one core.
            p99_seconds: Time that nilometer added to a request at its 99th percentile; 0 if too few
                requests were timed since the share changed.
        """
        cpu = cpu_percent / self.max_cpu_percent if self.max_cpu_percent else 0.0
        path = p99_seconds / self.max_p99_seconds if self.max_p99_seconds else 0.0
        pressure = max(cpu, path)
        if pressure > 1.0:
            # At twice the limit, one halving is enough if bodies cause all the cost. If they do
            # not, the next judgement sees what is still over the limit.
            wished = max(1, ceil(log2(pressure)))
            self._shed(min(wished, HALVINGS_AT_ONCE))
            return True
        if self._raised_at is not None and now - self._raised_at >= self.hold_seconds:
            self._raised_at = None
            self.hold_seconds = max(self.hold_seconds / 2, FIRST_HOLD_SECONDS)
        # Twice the bodies cost at most twice as much. If that is within the limit, it is no
        # experiment.
        hold_seconds = FIRST_HOLD_SECONDS if 2 * pressure <= ROOMY else self.hold_seconds
        if pressure > ROOMY:
            self._roomy_since = None
        elif self._roomy_since is None:
            self._roomy_since = now
        elif self.halvings and now - self._roomy_since >= hold_seconds:
            self.halvings -= 1
            self._raised_at = self._roomy_since = now
        return False

    def _shed(self, halvings: int) -> None:
        self.halvings = min(self.halvings + halvings, MOST_HALVINGS)
        self._roomy_since = None
        if self._raised_at is not None:
            self._raised_at = None
            self.hold_seconds = min(self.hold_seconds * 2, LONGEST_HOLD_SECONDS)


class Meter:
    """Measures the cost of observing in this process. Only `note` is thread-safe.

    Args:
        budget: Budget that judges the cost.
        now: Monotonic time, in seconds.
    """

    def __init__(self, budget: Budget, now: float) -> None:
        self.budget = budget
        self._timed: deque[float] = deque(maxlen=TIMED_REQUESTS)
        self._judged_at = now
        self._judges_from = now + START_SECONDS
        self._times_at = now
        self._threads_seconds = 0.0
        self._requests = 0

    def note(self, seconds: float) -> None:
        """Add the time that nilometer took in one timed request."""
        self._timed.append(seconds)

    def wants_time(self, now: float) -> bool:
        """Return whether another request should be timed."""
        if now < self._times_at:
            return False
        self._times_at = now + BETWEEN_TIMED_SECONDS
        return True

    def measure(self, now: float, own_seconds: float, requests: int) -> Cost | None:
        """Return the cost since the last measurement; None if that was too recent.

        Args:
            now: Monotonic time, in seconds.
            own_seconds: CPU time of nilometer's thread since its start.
            requests: Number of observations since the start.
        """
        elapsed = now - self._judged_at
        if elapsed < JUDGED_SECONDS:
            return None
        self._judged_at = now
        timed = sorted(self._timed)
        new_requests = requests - self._requests
        # Use the median, because a time is too long if another thread held the interpreter.
        each = timed[len(timed) // 2] if timed else 0.0
        cpu_seconds = max(own_seconds - self._threads_seconds, 0.0) + each * new_requests
        self._threads_seconds, self._requests = own_seconds, requests
        p99 = _p99(timed)
        exceeded = False
        if self.budget.is_set and now >= self._judges_from:
            before = self.budget.halvings
            exceeded = self.budget.judge(now, 100 * cpu_seconds / elapsed, p99)
            if self.budget.halvings != before:
                self._timed.clear()  # times at the old share do not apply to the new one
        return Cost(cpu_seconds, new_requests, elapsed * exceeded, p99, self.budget.share)


def _p99(ascending: list[float]) -> float:
    """Return the 99th percentile of the timed requests; a single slow request is ignored."""
    if len(ascending) < FEWEST_TIMED:
        return 0.0
    return ascending[-1 - max(1, len(ascending) // 100)]
