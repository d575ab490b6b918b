"""Log lines for a host process: complete sentences, each kind at most once a minute.

A model server decides how its log looks. Uvicorn's default logging only shows the message of a
warning or an error, without the logger's name and `extra` values. So each line begins with
``nilometer:`` and says what happened, why, and what to do.
"""

import logging
import time

from nilometer.values.once import MINUTE_SECONDS, OnceEvery

_log = logging.getLogger("nilometer.capture")


class LimitedLog:
    """Writes to the logger ``nilometer.capture``. Thread-safe; never raises."""

    __slots__ = ("_once",)

    def __init__(self) -> None:
        self._once = OnceEvery(MINUTE_SECONDS)

    def warning(self, message: str, kind: str = "") -> None:
        """Log a problem that the reader can solve.

        Args:
            message: Message that says what happened, why, and what to do.
            kind: Kind of the line, which is logged at most once a minute; default: the message.
        """
        self._write(logging.WARNING, message, kind or message, None)

    def fault(self, message: str, error: BaseException) -> None:
        """Log an internal error, with the traceback of *error*.

        Args:
            message: Message that says what failed and what is lost; it is also the kind.
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
        except Exception:  # noqa: S110  an error in logging must not stop the caller
            pass
