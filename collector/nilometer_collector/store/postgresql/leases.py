"""Leases for work that one collector does at a time. They use the server's clock only."""

import uuid

from nilometer_collector.store.postgresql.session import Session

_NEW = """
INSERT INTO leases (name, holder, held_until)
VALUES (%(name)s, %(holder)s, clock_timestamp()) ON CONFLICT (name) DO NOTHING
"""
# A row that is locked belongs to a collector that works under the lease, maybe for a long time.
_HOLD = """
UPDATE leases SET holder = %(holder)s,
                  held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = (SELECT name FROM leases WHERE name = %(name)s
              AND (holder = %(holder)s OR held_until < clock_timestamp()) FOR UPDATE SKIP LOCKED)
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
        """Take or prolong the lease in a transaction; return False if another store holds it.

        Does not wait for a transaction that works under the lease.
        """
        session.execute(_NEW, self._values)
        return session.execute(_HOLD, self._values) == 1

    def check(self, session: Session) -> bool:
        """Return whether this store holds the lease; until the commit, no other can take it."""
        return session.row(_CHECK, self._values) is not None
