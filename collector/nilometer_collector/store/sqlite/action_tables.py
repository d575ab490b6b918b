"""The tables of targets and runs of actions in SQLite, which a migration creates."""

import secrets

from sqlite_utils import Database


def create_action_tables(db: Database) -> None:
    """Create targets, runs and their turns, the key of signed links, and messages about turns."""
    columns = {"name": str, "origin": str, "updated_ns": int, "payload": str}
    db.table("targets").create(columns, pk="name", not_null=set(columns), strict=True)
    db.execute(
        "CREATE TABLE action_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, "
        "entity TEXT NOT NULL, episode INTEGER NOT NULL, action_entity TEXT NOT NULL, "
        "action_name TEXT NOT NULL, number INTEGER NOT NULL, definition TEXT NOT NULL, "
        "state TEXT NOT NULL, is_over INTEGER NOT NULL, started_ns INTEGER NOT NULL DEFAULT 0, "
        "attempts INTEGER NOT NULL DEFAULT 0, last_failure TEXT NOT NULL DEFAULT '', "
        "not_before_ns INTEGER NOT NULL DEFAULT 0, held_by TEXT NOT NULL DEFAULT '', "
        "UNIQUE (episode, action_entity, action_name, number)) STRICT"
    )
    db.execute("CREATE INDEX idx_action_runs_open ON action_runs (entity) WHERE NOT is_over")
    db.execute("CREATE INDEX idx_action_runs_started ON action_runs (action_name, started_ns)")
    db.execute(
        "CREATE TABLE action_turns (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, "
        "state TEXT NOT NULL, at_ns INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL) "
        "STRICT"
    )
    db.execute("CREATE INDEX idx_action_turns_run ON action_turns (run)")
    db.execute("ALTER TABLE deliveries ADD COLUMN action_turn INTEGER")
    db.table("secrets").insert({"name": "links", "key": secrets.token_bytes(32)})
