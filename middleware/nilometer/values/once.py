"""Limits how often a log line of one kind is written."""

import threading

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0
MAX_KINDS = 64  # kinds that are remembered; the oldest is forgotten first


class OnceEvery:
    """Tells whether a line of a kind is due, and keeps when the last one was. Thread-safe.

    Args:
        seconds: Time after which another line of the same kind may be written.
    """

    __slots__ = ("_lock", "_said", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}  # kind -> time of its last line, oldest first

    def due(self, now: float, kind: str = "") -> bool:
        """Return whether a line of *kind* may be written at *now*, in monotonic seconds.

        If the result is true, the line counts as written.
        """
        with self._lock:
            last = self._said.get(kind)
            if last is not None and now - last < self._seconds:
                return False
            self._said.pop(kind, None)
            while len(self._said) >= MAX_KINDS:
                del self._said[next(iter(self._said))]
            self._said[kind] = now
            return True
