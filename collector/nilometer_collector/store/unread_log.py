"""Logs stored alerters that this collector cannot read, once a minute for each kind."""

import logging
from collections.abc import Callable

from nilometer.values.once import MINUTE_SECONDS, OnceEvery

log = logging.getLogger("nilometer.collector")


class UnreadLog:
    """Logs at most one line per minute for each kind of condition. Thread-safe.

    Args:
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._once = OnceEvery(MINUTE_SECONDS)

    def note(self, kind: str, alerter: str, why: str) -> None:
        """Log that the collector ignores *alerter*, and the reason *why*."""
        if self._once.due(self._monotonic(), kind):
            log.warning(
                "stored alerter ignored: install the package of its kind, or delete the alerter",
                extra={"kind": kind, "alerter": alerter, "reason": why},
            )
