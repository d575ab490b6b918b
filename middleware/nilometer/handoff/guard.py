"""One guard at the edge: faults of ours are counted, logged once a minute, and disarm us."""

import time

from nilometer.values.limited_log import LimitedLog

FAULTS_TO_TRIP = 20
WITHIN_SECONDS = 60.0
FIRST_REST_SECONDS = 60.0
LONGEST_REST_SECONDS = 3600.0


class Guard:
    """Counts our own faults and takes monitoring out of the path when there are too many.

    20 faults in 60 seconds trip it; it re-arms after a minute, then two, four ... up to an hour.
    """

    __slots__ = ("_first", "_log", "_recent", "_rest", "faults", "lost", "until")

    def __init__(self) -> None:
        self.faults = 0
        self.lost = 0  # observations that a fault cost
        self._recent = 0
        self._first = 0.0
        self._log = LimitedLog()
        self.until = 0.0  # monotonic seconds; 0 while it never tripped
        self._rest = FIRST_REST_SECONDS

    @property
    def tripped(self) -> bool:
        """Whether monitoring is out of the path now."""
        return self.until != 0.0 and time.monotonic() < self.until

    def note(self, error: Exception, lost: int = 0) -> None:
        """Count *error* and the observations it cost; never raises."""
        try:
            self.lost += lost
            now = time.monotonic()
            self.faults += 1
            if now - self._first > WITHIN_SECONDS:
                self._first, self._recent = now, 0
            self._recent += 1
            self._log.fault("a fault in nilometer, requests are not affected", error)
            if self._recent >= FAULTS_TO_TRIP:
                self.until = now + self._rest
                self._log.warning(
                    f"nothing is observed for {self._rest:g} s: {FAULTS_TO_TRIP} faults within a "
                    "minute: see the traceback before this line"
                )
                self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
                self._recent = 0
        except Exception:
            self.faults += 1
