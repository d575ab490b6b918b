"""Applies migrations to PostgreSQL, each once and in its own transaction."""

from collections.abc import Callable
from typing import TypeAlias

from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.versions import written_by_newer

LOCK = 0x6E696C6F  # key of the advisory lock that migrations hold

Migration: TypeAlias = Callable[[Session], None]


class Migrations(dict[str, Migration]):
    """Migrations by name, in order."""

    def __call__(self, function: Migration) -> Migration:
        """Add *function* under its own name; for use as a decorator."""
        self[function.__name__] = function
        return function


def migrate(session: Session, migrations: Migrations, database: str) -> None:
    """Bring the schema up to date; several collectors may do this at the same time.

    Args:
        session: Session outside a transaction.
        migrations: All migrations.
        database: Database as ``setting = value``, for errors.

    Raises:
        ConfigError: If a newer version has written the database.
        psycopg.Error: If the database fails; earlier migrations are recorded.
    """
    applied: set[str] = set()
    for name, change in migrations.items():
        if name in applied:
            continue
        session.execute("BEGIN")
        try:
            session.execute("SET LOCAL lock_timeout = '60s'")
            session.execute("SET LOCAL statement_timeout = 0")
            session.rows("SELECT pg_advisory_xact_lock(%(key)s)", {"key": LOCK})
            applied = _applied(session, migrations, database)
            if name not in applied:
                change(session)
                session.execute(
                    "INSERT INTO nilometer_migrations (name) VALUES (%(name)s)", {"name": name}
                )
            session.execute("COMMIT")
        except BaseException:
            session.execute("ROLLBACK")
            raise


def _applied(session: Session, migrations: Migrations, database: str) -> set[str]:
    """Return the names of the applied migrations, which must all be known."""
    session.execute("SET LOCAL client_min_messages = warning")
    session.execute(
        "CREATE TABLE IF NOT EXISTS nilometer_migrations "
        "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    applied = {name for (name,) in session.rows("SELECT name FROM nilometer_migrations")}
    if unknown := applied - migrations.keys():
        raise written_by_newer(database, unknown)
    return applied
