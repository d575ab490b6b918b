"""The audit log in PostgreSQL."""

from nilometer_collector.store.auditing import (
    AUDIT_DAYS,
    MOST_ENTRIES,
    AuditEntry,
    AuditRecord,
    audit_record,
    audit_values,
)
from nilometer_collector.store.levels import Level
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

_ADD = """
INSERT INTO audit (at_ns, principal, author, workspace, address, operation, entity, name, outcome,
                   status, times, slot)
VALUES (%(at_ns)s, %(principal)s, %(author)s, %(workspace)s, %(address)s, %(operation)s, %(entity)s,
        %(name)s, %(outcome)s, %(status)s, %(times)s, %(slot)s)
ON CONFLICT (slot) DO UPDATE SET times = audit.times + excluded.times, at_ns = excluded.at_ns
"""
_ENTRIES = """
SELECT id, at_ns, principal, author, workspace, address, operation, entity, name, outcome, status,
       times
FROM audit WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s
"""
_OLD = "DELETE FROM audit WHERE at_ns < %(oldest)s"
_SURPLUS = """
DELETE FROM audit WHERE outcome = %(outcome)s AND id <=
  (SELECT id FROM audit WHERE outcome = %(outcome)s ORDER BY id DESC LIMIT 1 OFFSET %(most)s)
"""


class AuditLog:
    """Adds and lists the entries.

    Args:
        database: Database that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        """Store *entry*, and remove what is too old or too much."""
        values, most = audit_values(entry), MOST_ENTRIES[entry.outcome]
        oldest_ns = entry.at_ns - AUDIT_DAYS * Level.DAY.length_ns

        def add(session: Session) -> None:
            session.execute(_ADD, values)
            session.execute(_OLD, {"oldest": oldest_ns})
            session.execute(_SURPLUS, {"outcome": entry.outcome.value, "most": most})

        self._database.write(add)

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        asked = {"before": before, "limit": limit}
        rows = self._database.read(lambda session: session.rows(_ENTRIES, asked))
        return [audit_record(row) for row in rows]
