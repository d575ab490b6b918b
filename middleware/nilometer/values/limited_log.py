"""Log lines for a process of the host: complete, and at most one a minute of each kind.

A model server decides how its log looks. Uvicorn's default logging shows only the message of a
warning or an error: no logger name and no `extra` values. Each line therefore begins with
``nilometer:`` and says what happened, why, and what to do.
"""

import logging
import time

from nilometer.values.once import OnceAMinute

_log = logging.getLogger("nilometer.capture")


class LimitedLog:
    """Writes to the logger ``nilometer.capture``. Any thread may use it; it never raises."""

    __slots__ = ("_once",)

    def __init__(self) -> None:
        self._once = OnceAMinute()

    def warning(self, message: str, kind: str = "") -> None:
        """Log a problem that the reader can solve.

        Args:
            message: Message that says what happened, why, and what to do.
            kind: Kind of the line, which is logged at most once a minute; by default the message.
        """
        self._write(logging.WARNING, message, kind or message, None)

    def fault(self, message: str, error: BaseException) -> None:
        """Log that something in nilometer failed, with the traceback of *error*.

        Args:
            message: Message that says what failed and what that costs; also the kind.
            error: Exception that was raised.
        """
        self._write(logging.ERROR, message, message, error)

    def _write(self, level: int, message: str, kind: str, error: BaseException | None) -> None:
        try:
            if not self._once.due(time.monotonic(), kind):
                return
            if error is not None:
                message = f"{message}: {error!r}: please report it with this traceback"
            _log.log(level, "nilometer: %s", message, exc_info=error)
        except Exception:  # noqa: S110  a failing log must not stop its caller
            pass
