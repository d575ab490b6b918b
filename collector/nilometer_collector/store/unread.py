"""Stored rules that this collector cannot read, in the log: one line a minute for each kind."""

import logging
from collections.abc import Callable

from nilometer.values.once import OnceAMinute

log = logging.getLogger("nilometer.collector")


class UnreadLog:
    """Logs one line a minute for each kind of rule. Any thread may call.

    Args:
        monotonic: Time in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._once = OnceAMinute()

    def note(self, kind: str, alerter: str, why: str) -> None:
        """Log that *alerter* is left out, and *why*."""
        if self._once.due(self._monotonic(), kind):
            log.warning(
                "a stored rule is left out: install what registers its kind, or delete the rule",
                extra={"kind": kind, "alerter": alerter, "reason": why},
            )
