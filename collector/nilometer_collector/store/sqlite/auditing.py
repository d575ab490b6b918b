"""The audit log in SQLite."""

from nilometer_collector.store.auditing import (
    AUDIT_DAYS,
    MOST_ENTRIES,
    AuditEntry,
    AuditRecord,
    audit_record,
    audit_values,
)
from nilometer_collector.store.levels import Level
from nilometer_collector.store.sqlite.database import Database

_ADD = """
INSERT INTO audit (principal, author, workspace, address, operation, entity, name, at_ns, outcome,
                   status, times, slot)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (slot) DO UPDATE SET times = times + excluded.times, at_ns = excluded.at_ns
"""
_ENTRIES = """
SELECT id, at_ns, principal, author, workspace, address, operation, entity, name, outcome, status,
       times
FROM audit WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2
"""
_SURPLUS = """
DELETE FROM audit WHERE outcome = ?1 AND id <=
  (SELECT id FROM audit WHERE outcome = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
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
        with self._database.write():
            self._database.execute(_ADD, (*values.values(),))
            self._database.execute("DELETE FROM audit WHERE at_ns < ?", (oldest_ns,))
            self._database.execute(_SURPLUS, (entry.outcome.value, most))

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        return [audit_record(row) for row in self._database.rows(_ENTRIES, (before, limit))]
