"""The tables of declared objects and their history in SQLite, which a migration creates."""

from sqlite_utils import Database


def create_history_tables(db: Database) -> None:
    """Create revisions, their changes, and the objects that have no table of their own."""
    db.execute(
        "CREATE TABLE revisions (id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, "
        "origin TEXT NOT NULL, made_ns INTEGER NOT NULL) STRICT"
    )
    db.execute(
        "CREATE TABLE changes (revision INTEGER NOT NULL, kind TEXT NOT NULL, entity TEXT NOT NULL, "
        "name TEXT NOT NULL, before TEXT, after TEXT, "
        "PRIMARY KEY (revision, kind, entity, name)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX idx_changes_entity ON changes (entity, revision)")
    db.execute(
        "CREATE TABLE objects (kind TEXT NOT NULL, entity TEXT NOT NULL, name TEXT NOT NULL, "
        "content TEXT NOT NULL, PRIMARY KEY (kind, entity, name)) STRICT, WITHOUT ROWID"
    )
