"""Lines for the log of a process that is not ours: complete, and at most one a minute of each kind.

A model server decides how its log looks. Under uvicorn's default logging only the message of a
warning or an error is shown: no logger's name, and none of the `extra` values. Each line therefore
begins with ``nilometer:`` and says in its message what happened, why, and what to do.
"""

import logging
import time

from nilometer.values.once import OnceAMinute

_log = logging.getLogger("nilometer.capture")


class LimitedLog:
    """Writes to the logger ``nilometer.capture``. Any thread may use it; never raises."""

    __slots__ = ("_once",)

    def __init__(self) -> None:
        self._once = OnceAMinute()

    def warning(self, message: str, kind: str = "") -> None:
        """Write what somebody can change.

        Args:
            message: What happened, why, and what to do.
            kind: What is written once a minute; the message itself where it is empty.
        """
        self._write(logging.WARNING, message, kind or message, None)

    def fault(self, message: str, error: BaseException) -> None:
        """Write that something in nilometer failed, with the traceback of *error*.

        Args:
            message: What failed, and what that costs; it is the kind, too.
            error: Why.
        """
        self._write(logging.ERROR, message, message, error)

    def _write(self, level: int, message: str, kind: str, error: BaseException | None) -> None:
        try:
            if not self._once.due(time.monotonic(), kind):
                return
            if error is not None:
                message = f"{message}: {error!r}: please report it with this traceback"
            _log.log(level, "nilometer: %s", message, exc_info=error)
        except Exception:  # noqa: S110  a log that fails must not stop what writes to it
            pass
