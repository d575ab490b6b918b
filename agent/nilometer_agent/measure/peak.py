"""The most requests in flight."""

PEAK_SECONDS = 15.0  # period of the maximum


class Peak:
    """The most requests in flight of one worker, over the last one to two `PEAK_SECONDS`."""

    __slots__ = ("_before", "_now", "_period")

    def __init__(self) -> None:
        self._period = 0
        self._now = self._before = 0

    def see(self, in_flight: int, now: float) -> None:
        """Add the requests in flight that a request saw at its start, itself included."""
        period = int(now / PEAK_SECONDS)
        if period != self._period:
            self._before = self._now if period == self._period + 1 else 0
            self._now, self._period = 0, period
        self._now = max(self._now, in_flight)

    def most(self, now: float) -> int:
        """Return the maximum. Any thread may call, because this changes nothing."""
        periods = int(now / PEAK_SECONDS) - self._period
        return max(self._now, self._before) if periods == 0 else self._now * (periods == 1)
