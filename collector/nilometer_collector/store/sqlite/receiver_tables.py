"""Tables of channels and routes, and what they change in the queue of notifications."""

from sqlite_utils import Database


def create_receiver_tables(db: Database) -> None:
    """Create channels, routes and attempts; let notifications share messages and wait for hours."""
    for table in ("channels", "routes"):
        columns = {"name": str, "origin": str, "updated_ns": int, "payload": str}
        db.table(table).create(columns, pk="name", not_null=set(columns), strict=True)
    db.table("attempts").create(
        {"id": int, "channel": str, "key": str, "at_ns": int, "outcome": str, "reason": str},
        pk="id",
        not_null={"channel", "key", "at_ns", "outcome", "reason"},
        strict=True,
    )
    db.table("attempts").create_index(["key"])
    db.table("attempts").create_index(["channel", "outcome", "at_ns"])
    db.execute("ALTER TABLE deliveries ADD COLUMN due_ns INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE deliveries ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE deliveries ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0")
    db.table("deliveries").create_index(["key"])
