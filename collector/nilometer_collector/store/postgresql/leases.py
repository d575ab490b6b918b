"""Work that one collector does at a time, by the server's clock, because the clocks of collectors differ."""

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
    """One piece of work, held by one store until its time is over.

    Args:
        name: Name of the work.
        seconds: Time for which it is held.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._values = {"name": name, "holder": uuid.uuid4().hex, "seconds": seconds}

    def hold(self, session: Session) -> bool:
        """Take or prolong the lease inside a transaction; return False if another holds it."""
        return session.execute(_HOLD, self._values) == 1

    def check(self, session: Session) -> bool:
        """Return whether this store holds the lease; no other can take it until the commit."""
        return session.row(_CHECK, self._values) is not None
