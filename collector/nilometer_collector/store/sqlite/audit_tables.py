"""The table of the audit log in SQLite, which a migration creates."""

from sqlite_utils import Database


def create_audit_tables(db: Database) -> None:
    """Create the entries of the audit log."""
    db.execute(
        "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL, "
        "principal TEXT NOT NULL, author TEXT NOT NULL, workspace TEXT NOT NULL, "
        "address TEXT NOT NULL, operation TEXT NOT NULL, entity TEXT NOT NULL, name TEXT NOT NULL, "
        "outcome TEXT NOT NULL, status INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1, "
        "slot TEXT UNIQUE) STRICT"
    )
    db.execute("CREATE INDEX idx_audit_at ON audit (at_ns)")
    db.execute("CREATE INDEX idx_audit_outcome ON audit (outcome, id)")


def bound_audit_by_workspace(db: Database) -> None:
    """Replace the index by one for the bounds of each workspace, and of callers without a token."""
    db.execute("DROP INDEX idx_audit_outcome")
    db.execute("CREATE INDEX idx_audit_share ON audit (workspace, outcome, (principal = ''), id)")
