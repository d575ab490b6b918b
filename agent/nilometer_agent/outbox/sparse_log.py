"""Errors of the disk in the log, few of each kind: a broken disk must not fill another."""

import logging
from collections import Counter as Tally

EACH = 100  # of a kind: the first is logged, and then the first of each hundred

log = logging.getLogger("nilometer.agent")


class SparseLog:
    """Logs one line a kind, and then each hundredth."""

    def __init__(self) -> None:
        self._times: Tally[str] = Tally()

    def error(self, what: str, reason: Exception | None = None, **more: object) -> None:
        """Log *what*, the kind, with *reason* and the keys and values in *more*."""
        self._times[what] += 1
        if self._times[what] % EACH == 1:
            extra = {**more, "times": self._times[what]}
            if reason is not None:
                extra["reason"] = str(reason)
            log.error(what, extra=extra)
