"""Leases for work that one collector does at a time. They use the server's clock only."""

import uuid

from nilometer_collector.store.postgresql.session import Session

_HOLD = """
INSERT INTO leases (name, holder, held_until)
VALUES (%(name)s, %(holder)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE leases.holder = excluded.holder OR leases.held_until < clock_timestamp()
"""
_CHECK = """
SELECT true FROM leases
WHERE name = %(name)s AND holder = %(holder)s AND held_until > clock_timestamp() FOR UPDATE
"""


class Lease:
    """One piece of work, held by one store until its time ends.

    Args:
        name: Name of the work.
        seconds: Time for which the lease is held.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._values = {"name": name, "holder": uuid.uuid4().hex, "seconds": seconds}

    def hold(self, session: Session) -> bool:
        """Take or prolong the lease in a transaction; return False if another store holds it."""
        return session.execute(_HOLD, self._values) == 1

    def check(self, session: Session) -> bool:
        """Return whether this store holds the lease; until the commit, no other can take it."""
        return session.row(_CHECK, self._values) is not None
