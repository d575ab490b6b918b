"""The tables of the outbox, the statements that read and write their rows, and the migrations.

Every row except those in quarantine has a checksum (`nilometer_agent.outbox.checksum`). No table has
an index besides its key, because an index could be damaged too. Every row can be found by reading
the pages directly (`nilometer_agent.outbox.salvage`).
"""

import sqlite3
from collections.abc import Mapping

import sqlite_utils
from sqlite_utils.migrations import Migrations

from nilometer_agent.outbox.faults import Damaged

# The name of each checksummed table, and its columns between the id and the checksum. The
# payload, if there is one, is the last column.
TABLES: Mapping[str, tuple[str, ...]] = {
    "meta": ("key", "value"),
    "workers": ("worker", "sequence", "seen"),
    "closed": ("entity", "labels", "end_ns"),
    "partials": ("entity", "labels", "start_ns", "end_ns", "observations", "payload"),
    "outbox": ("epoch", "sequence", "version", "kind", "created_ns", "observations", "payload"),
    "predictions": ("epoch", "sequence", "version", "created_ns", "rows", "payload"),
}
_FIRST = ("meta", "workers", "closed", "partials", "outbox")  # tables of the first schema

PUT = {
    table: f"INSERT OR REPLACE INTO {table} (id, crc, {', '.join(columns)}) "
    f"VALUES ({', '.join('?' * (len(columns) + 2))})"
    for table, columns in TABLES.items()
}

READ = {
    table: f"SELECT id, crc, {', '.join(columns)} FROM {table} "
    for table, columns in TABLES.items()
}

DELETE = {table: f"DELETE FROM {table} WHERE id = ?" for table in TABLES}

LAST_ID = {table: f"SELECT max(id) FROM {table}" for table in TABLES}

migrations = Migrations("nilometer_agent")


@migrations()
def create_checksummed_tables(database: sqlite_utils.Database) -> None:
    """Create the tables of the first schema."""
    for table in _FIRST:
        _create(database, table)
    database.execute(
        "CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, epoch, sequence, kind, "
        "reason, payload)"
    )


@migrations()
def create_predictions(database: sqlite_utils.Database) -> None:
    """Create the table of logged predictions."""
    _create(database, "predictions")


def _create(database: sqlite_utils.Database, table: str) -> None:
    names = ", ".join(TABLES[table])
    database.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, crc, {names})")


_KNOWN = frozenset({"create_checksummed_tables", "create_predictions"})


def newer_migrations(connection: sqlite3.Connection) -> list[str]:
    """Return the migrations in the database that only a newer nilometer knows.

    Raises:
        Damaged: If the record of the migrations cannot be read.
    """
    try:
        applied = migrations.applied(sqlite_utils.Database(connection))
        return sorted({migration.name for migration in applied} - _KNOWN)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(str(error)) from error


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the tables to the newest schema."""
    migrations.apply(sqlite_utils.Database(connection))
