"""Browser sessions, kept in the memory of this process."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from nilometer.values.clock import NANOSECONDS, Clock

SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 10_000  # a further session ends the oldest one
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Session:
    principal: str
    ends_ns: int


class Sessions:
    """Open sessions by the digest of their secret. Not thread-safe.

    Args:
        clock: Clock for wall time, to end old sessions.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, principal: str) -> str:
        """Open a session of *principal* and return its secret for the cookie."""
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
        """Return the principal of the session with *secret*; None if no such session is open."""
        session = self._open.get(_digest(secret))
        if session is None or session.ends_ns <= self._clock.now_ns():
            return None
        return session.principal

    def end(self, secret: str) -> None:
        """Close the session with *secret*, if it is open."""
        self._open.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
