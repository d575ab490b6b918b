"""Limits log lines to one per minute and kind."""

import threading

SECONDS = 60.0  # time after which another line of the same kind may be written
MAX_KINDS = 64  # kinds that are remembered; the oldest is forgotten first


class OnceAMinute:
    """Keeps the time of the last line of each kind. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}  # kind -> time of its last line, oldest first

    def due(self, now: float, kind: str = "") -> bool:
        """Return whether a line of *kind* may be written at *now*, in monotonic seconds.

        If the result is true, the line counts as written.
        """
        with self._lock:
            if now - self._said.get(kind, -SECONDS) < SECONDS:
                return False
            self._said.pop(kind, None)
            while len(self._said) >= MAX_KINDS:
                del self._said[next(iter(self._said))]
            self._said[kind] = now
            return True
