"""Rate-limited log of disk errors, so that a broken disk does not fill the disk of the log."""

import logging
from collections import Counter as Tally

EACH = 100  # errors of one kind for each that is logged; the first is always logged

log = logging.getLogger("nilometer.agent")


class SparseLog:
    """Logs the first error of each kind, and then each hundredth."""

    def __init__(self) -> None:
        self._times: Tally[str] = Tally()

    def error(self, what: str, reason: Exception | None = None, **more: object) -> None:
        """Log the message *what*, which is limited, with *reason* and the values in *more*."""
        self._times[what] += 1
        if self._times[what] % EACH == 1:
            extra = {**more, "times": self._times[what]}
            if reason is not None:
                extra["reason"] = str(reason)
            log.error(what, extra=extra)
