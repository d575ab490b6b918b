"""The audit log in SQLite."""

from nilometer_collector.store.auditing import (
    AuditEntry,
    AuditRecord,
    add_entry,
    list_entries,
    withdraw_entry,
)
from nilometer_collector.store.sqlite.database import Database


class AuditLog:
    """Adds and lists the entries.

    Args:
        database: Database that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry, begun: int | None = None) -> int:
        """Store *entry*, remove what is too old or too much, and return its id."""
        with self._database.write():
            return add_entry(self._database, entry, begun)

    def withdraw(self, begun: int) -> None:
        """Remove the entry with the id *begun*."""
        with self._database.write():
            withdraw_entry(self._database, begun)

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        return list_entries(self._database, before, limit)
