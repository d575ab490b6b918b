"""Tables of decisions about episodes, and what they change in others."""

from sqlite_utils import Database


def create_decision_tables(db: Database) -> None:
    """Create decisions and quiet alerters, and let notifications be held."""
    columns = {
        "id": int,
        "entity": str,
        "episode": int,
        "kind": str,
        "author": str,
        "reason": str,
        "made_ns": int,
        "until_ns": int,
        "summary": str,
        "labels": str,
        "pending": int,
    }
    db.table("decisions").create(
        columns, pk="id", not_null=set(columns) - {"until_ns"}, strict=True
    )
    db.table("decisions").create_index(["episode"])
    db.table("decisions").create_index(["entity"])
    db.table("quiet").create(
        {"entity": str, "alerter": str, "summary": str, "labels": str, "until_ns": int},
        pk=("entity", "alerter", "summary", "labels"),
        strict=True,
    )
    db.execute("ALTER TABLE deliveries ADD COLUMN held_until_ns INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE deliveries ADD COLUMN withheld_ns INTEGER")
    db.execute("DROP INDEX idx_deliveries_transition_channel")
    db.execute("DROP INDEX idx_deliveries_waiting")
    db.table("deliveries").create_index(["transition"])
    db.execute(
        "CREATE INDEX idx_deliveries_waiting ON deliveries (channel, id)"
        " WHERE delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL"
    )
    db.execute("ALTER TABLE episode_parts ADD COLUMN ended TEXT")
