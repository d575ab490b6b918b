"""Says whether a line of a log is due: at most one a minute of each kind."""

import threading

SECONDS = 60.0  # after which a line of the same kind is due again
MAX_KINDS = 64  # that are remembered: the oldest are forgotten


class OnceAMinute:
    """Remembers when a line of each kind was last due. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}  # kind -> when, oldest first

    def due(self, now: float, kind: str = "") -> bool:
        """Whether a line of *kind* may be written at *now*, monotonic seconds; then it counts as written."""
        with self._lock:
            if now - self._said.get(kind, -SECONDS) < SECONDS:
                return False
            self._said.pop(kind, None)
            while len(self._said) >= MAX_KINDS:
                del self._said[next(iter(self._said))]
            self._said[kind] = now
            return True
