"""The audit log in PostgreSQL."""

import re
from collections.abc import Mapping
from typing import Any

from nilometer_collector.store.auditing import (
    AuditEntry,
    AuditRecord,
    add_entry,
    list_entries,
    withdraw_entry,
)
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

_PARAMETER = re.compile(r":(\w+)")


class AuditLog:
    """Adds and lists the entries.

    Args:
        database: Database that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry, begun: int | None = None) -> int:
        """Store *entry*, remove what is too old or too much, and return its id."""
        return self._database.write(lambda session: add_entry(_Statements(session), entry, begun))

    def withdraw(self, begun: int) -> None:
        """Remove the entry with the id *begun*."""
        self._database.write(lambda session: withdraw_entry(_Statements(session), begun))

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        return self._database.read(
            lambda session: list_entries(_Statements(session), before, limit)
        )


class _Statements:
    """Runs statements of both databases in a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self._session.rows(_PARAMETER.sub(r"%(\1)s", statement), values)

    def execute(self, statement: str, values: Mapping[str, object]) -> int:
        """Run one statement; return the number of changed rows."""
        return self._session.execute(_PARAMETER.sub(r"%(\1)s", statement), values)
