"""The overhead budget: what observing costs this process, and the share that keeps it in limits.

Cost is measured, not assumed: the processor time of our own threads, which the kernel counts, and
our part of a few requests a second, timed by a stopwatch that stands still while the application
or the server works. No request but those reads a clock for it.

Where a limit is set, a `Budget` halves the share of observations whose bodies are held until the
cost is under it, and doubles it again when there has been room for long. Shares are powers of two,
so that windows in which the share moved are merged by whole factors: each observation that was
profiled at share *p* counts ``1 / p`` times, with nothing to be rounded
(`tests/handoff/test_budget.py`). Whether an observation is held is drawn when it begins, before
anything of it is known, so no kind of request is left out more than another.

Requests, outcomes, latencies and sizes are never sampled: an observation that is left out travels
without bodies and is counted.
"""

from collections import deque
from collections.abc import Callable
from math import ceil, log2

from nilometer.profiling.observation import LEAST_SHARE
from nilometer.wire.frames import Cost

MOST_HALVINGS = round(-log2(LEAST_SHARE))
HALVINGS_AT_ONCE = 3
JUDGED_SECONDS = 0.5  # between two judgements: over the limit is shed within twice as long
START_SECONDS = 2.0  # that are not judged: connecting costs once what it would never cost again
ROOMY = 0.8  # of a limit; under it there may be room for a larger share
FIRST_HOLD_SECONDS = 5.0  # that there must be room before the share is doubled
LONGEST_HOLD_SECONDS = 320.0
TIMED_REQUESTS = 256  # the latest that are remembered
FEWEST_TIMED = 20  # that say something about a p99
BETWEEN_TIMED_SECONDS = 0.02


class Budget:
    """Decides the share of observations whose bodies are held. Reads no clock; one owner.

    Over a limit the share is halved, at most thrice at once. It is doubled when the cost has been
    under `ROOMY` of each limit for a while; a step up that had to be taken back doubles that while,
    one that lasted halves it again. So a load that never changes sees ever fewer attempts.

    Args:
        max_cpu_percent: Of one core; 0 for no limit.
        max_p99_seconds: That we may add to a request at its 99th percentile; 0 for no limit.
    """

    def __init__(self, max_cpu_percent: float, max_p99_seconds: float) -> None:
        self.max_cpu_percent = max_cpu_percent
        self.max_p99_seconds = max_p99_seconds
        self.halvings = 0
        self.hold_seconds = FIRST_HOLD_SECONDS
        self._roomy_since: float | None = None
        self._raised_at: float | None = (
            None  # the latest step up, while it may have to be taken back
        )

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return bool(self.max_cpu_percent or self.max_p99_seconds)

    @property
    def share(self) -> float:
        """The share of observations that are held: a power of two, at most 1."""
        return 2.0**-self.halvings

    def judge(self, now: float, cpu_percent: float, p99_seconds: float) -> bool:
        """Take note of what the time since the last call has cost; whether it was over a limit.

        Args:
            now: Monotonic seconds.
            cpu_percent: Processor time of ours, of one core.
            p99_seconds: What we added to a request at its 99th percentile; 0 where too few were
                timed since the share changed.
        """
        cpu = cpu_percent / self.max_cpu_percent if self.max_cpu_percent else 0.0
        path = p99_seconds / self.max_p99_seconds if self.max_p99_seconds else 0.0
        pressure = max(cpu, path)
        if pressure > 1.0:
            # Twice over needs one halving where all cost is the bodies', and more where it is not:
            # what is still over is seen at the next judgement.
            wished = max(1, ceil(log2(pressure)))
            self._shed(min(wished, HALVINGS_AT_ONCE))
            return True
        if self._raised_at is not None and now - self._raised_at >= self.hold_seconds:
            self._raised_at = None
            self.hold_seconds = max(self.hold_seconds / 2, FIRST_HOLD_SECONDS)
        # Twice the bodies cost at most twice as much: where that fits, nothing is tried out.
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
    """Measures what observing costs this process. `note` from any thread, the rest from one.

    Args:
        budget: Judges it.
        now: Monotonic seconds.
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
        """One request was timed: so long was it with us."""
        self._timed.append(seconds)

    def wants_time(self, now: float) -> bool:
        """Whether another request should be timed."""
        if now < self._times_at:
            return False
        self._times_at = now + BETWEEN_TIMED_SECONDS
        return True

    def measure(
        self, now: float, threads_seconds: Callable[[], float], requests: int
    ) -> Cost | None:
        """The cost since the last measurement; None while that is not long ago.

        Args:
            now: Monotonic seconds.
            threads_seconds: Tells the processor time of our threads so far.
            requests: Observations so far.
        """
        elapsed = now - self._judged_at
        if elapsed < JUDGED_SECONDS:
            return None
        self._judged_at = now
        threads = threads_seconds()
        timed = sorted(self._timed)
        new_requests = requests - self._requests
        # The median: a stretch in which another thread had the interpreter is longer than our work.
        each = timed[len(timed) // 2] if timed else 0.0
        cpu_seconds = max(threads - self._threads_seconds, 0.0) + each * new_requests
        self._threads_seconds, self._requests = threads, requests
        p99 = _p99(timed)
        exceeded = False
        if self.budget.is_set and now >= self._judges_from:
            before = self.budget.halvings
            exceeded = self.budget.judge(now, 100 * cpu_seconds / elapsed, p99)
            if self.budget.halvings != before:
                self._timed.clear()  # another share is judged by its own requests
        return Cost(cpu_seconds, new_requests, elapsed * exceeded, p99, self.budget.share)


def _p99(ascending: list[float]) -> float:
    """The 99th percentile of what was timed; one alone of them is chance."""
    if len(ascending) < FEWEST_TIMED:
        return 0.0
    return ascending[-1 - max(1, len(ascending) // 100)]
