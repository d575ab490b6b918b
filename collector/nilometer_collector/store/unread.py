"""Stored rules that this collector cannot read, in the log: one line a minute for each kind."""

import logging
import threading
from collections.abc import Callable

EVERY_SECONDS = 60.0

log = logging.getLogger("nilometer.collector")


class UnreadLog:
    """Logs one line a minute for each kind of rule. Any thread may call.

    Args:
        monotonic: Time in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def note(self, kind: str, alerter: str, why: str) -> None:
        """Log that *alerter* is left out, and *why*."""
        now = self._monotonic()
        with self._lock:
            if now < self._next.get(kind, now):
                return
            self._next[kind] = now + EVERY_SECONDS
        log.warning(
            "a stored rule is left out: install what registers its kind, or delete the rule",
            extra={"kind": kind, "alerter": alerter, "reason": why},
        )
