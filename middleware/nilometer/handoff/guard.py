"""The guard: counts internal errors, logs one per minute, and pauses capture after many."""

import time

from nilometer.values.limited_log import LimitedLog

FAULTS_TO_TRIP = 20
WITHIN_SECONDS = 60.0
FIRST_REST_SECONDS = 60.0
LONGEST_REST_SECONDS = 3600.0


class Guard:
    """Counts internal errors, and stops capture for a while after too many of them.

    20 errors within 60 seconds pause capture for a minute, then for two, four and so on, up to an
    hour.
    """

    __slots__ = ("_first", "_log", "_recent", "_rest", "faults", "lost", "until")

    def __init__(self) -> None:
        self.faults = 0
        self.lost = 0  # observations that were lost by errors
        self._recent = 0
        self._first = 0.0
        self._log = LimitedLog()
        self.until = 0.0  # end of the pause, in monotonic seconds; 0 before the first pause
        self._rest = FIRST_REST_SECONDS

    @property
    def tripped(self) -> bool:
        """Whether capture is paused now."""
        return self.until != 0.0 and time.monotonic() < self.until

    def note(self, error: Exception, lost: int = 0) -> None:
        """Count *error* and the observations lost by it; never raises."""
        try:
            self.lost += lost
            now = time.monotonic()
            self.faults += 1
            if now - self._first > WITHIN_SECONDS:
                self._first, self._recent = now, 0
            self._recent += 1
            self._log.fault("internal capture error, request served unobserved", error)
            if self._recent >= FAULTS_TO_TRIP:
                self.until = now + self._rest
                self._log.warning(
                    f"nothing is observed for {self._rest:g} s: {FAULTS_TO_TRIP} errors within a "
                    "minute: see the traceback before this line"
                )
                self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
                self._recent = 0
        except Exception:
            self.faults += 1
