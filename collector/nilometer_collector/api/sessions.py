"""Sessions of browsers: known to this process, so that a log-out ends one at once."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from nilometer.values.clock import NANOSECONDS, Clock

SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 10_000  # the one that began first makes room
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Session:
    principal: str
    ends_ns: int


class Sessions:
    """Open sessions, kept by the digest of their secret. Not thread-safe.

    Args:
        clock: Wall time, for the end of a session.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, principal: str) -> str:
        """The secret of a new session of *principal*, for its cookie."""
        now_ns = self._clock.now_ns()
        while self._open:
            oldest = next(iter(self._open.values()))
            if len(self._open) < MAX_SESSIONS and oldest.ends_ns > now_ns:
                break
            self._open.popitem(last=False)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        ends_ns = now_ns + SESSION_SECONDS * NANOSECONDS
        self._open[_digest(secret)] = _Session(principal, ends_ns)
        return secret

    def principal(self, secret: str) -> str | None:
        """Whose session *secret* belongs to; None where it is not open."""
        session = self._open.get(_digest(secret))
        if session is None or session.ends_ns <= self._clock.now_ns():
            return None
        return session.principal

    def end(self, secret: str) -> None:
        """Close the session of *secret*, if there is one."""
        self._open.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
