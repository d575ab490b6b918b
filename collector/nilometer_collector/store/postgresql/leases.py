"""Leases for work that one collector does at a time. They use the server's clock only.

During an update, only collectors that know the newest schema get one: an older one might pass over
rows that it does not know, and remove what depends on them. A transaction under a lease and a migration
exclude each other, so neither sees half of the other.
"""

import uuid

from nilometer_collector.errors import Outdated
from nilometer_collector.store.postgresql.migrations import LOCK
from nilometer_collector.store.postgresql.schema import MIGRATIONS
from nilometer_collector.store.postgresql.session import Session

# A migration holds this lock alone. A collector does not wait for it, because migrations take minutes,
# and a migration that waits goes first.
_SHARE = "SELECT pg_try_advisory_xact_lock_shared(%(key)s)"
_APPLIED = "SELECT count(*) FROM nilometer_migrations"
_NEW = """
INSERT INTO work_leases (name, holder, held_until)
VALUES (%(name)s, %(holder)s, clock_timestamp()) ON CONFLICT (name) DO NOTHING
"""
# A row that is locked belongs to a collector that works under the lease, maybe for a long time.
_HOLD = """
UPDATE work_leases SET holder = %(holder)s,
                  held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = (SELECT name FROM work_leases WHERE name = %(name)s
              AND (holder = %(holder)s OR held_until < clock_timestamp()) FOR UPDATE SKIP LOCKED)
"""
_CHECK = """
SELECT true FROM work_leases
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
        """Take or prolong the lease in a transaction; return whether this store holds it.

        Does not wait for a transaction that works under the lease, or for a migration. It must be
        the first statement of the transaction, as a migration takes its lock first, too.

        Raises:
            Outdated: If a newer collector has changed the schema.
        """
        if not _is_current(session):
            return False
        session.execute(_NEW, self._values)
        return session.execute(_HOLD, self._values) == 1

    def check(self, session: Session) -> bool:
        """Return whether this store holds the lease, as `hold` does.

        Until the commit, no other store can take the lease, and no migration can begin.

        Raises:
            Outdated: If a newer collector has changed the schema since this store took the lease.
        """
        return _is_current(session) and session.row(_CHECK, self._values) is not None


def _is_current(session: Session) -> bool:
    """Keep migrations out until the commit; return False while one is being made.

    Raises:
        Outdated: If a newer collector has changed the schema.
    """
    ((is_shared,),) = session.rows(_SHARE, {"key": LOCK})
    if not is_shared:
        return False
    # A statement of its own sees what was committed before the lock was taken.
    ((applied,),) = session.rows(_APPLIED)
    if applied > len(MIGRATIONS):
        raise Outdated(
            "database: a newer collector has changed it, and does this work: update this collector"
        )
    return True
