"""The tables of the default alerter in SQLite, which migrations create."""

from sqlite_utils import Database


def create_watching_tables(db: Database) -> None:
    """Create the tables of the state, of its windows, and of the parts of episodes.

    `number` identifies an episode of the default alerter within its entity; it is null for others.
    """
    db.table("heard").create(
        {"entity": str, "agent": str, "end_ns": int, "received_ns": int},
        pk=("entity", "agent"),
        strict=True,
    )
    db.table("watch_states").create(
        {"entity": str, "revision": int, "state": bytes, "baselines": bytes, "report": bytes},
        pk="entity",
        strict=True,
    )
    db.table("watch_windows").create(
        {"entity": str, "end_ns": int, "payload": bytes}, pk=("entity", "end_ns"), strict=True
    )
    db.execute("ALTER TABLE episodes ADD COLUMN number INTEGER")
    db.execute("DROP INDEX idx_episodes_open")
    db.execute(
        "CREATE UNIQUE INDEX idx_episodes_open ON episodes (entity, alerter, summary, labels)"
        " WHERE closed_ns IS NULL AND number IS NULL"
    )
    db.execute(
        "CREATE UNIQUE INDEX idx_episodes_number ON episodes (entity, number)"
        " WHERE number IS NOT NULL"
    )
    columns = {
        "episode": int,
        "summary": str,
        "labels": str,
        "component": str,
        "direction": int,
        "onset_ns": int,
        "opened_ns": int,
        "closed_ns": int,
        "effect": float,
        "bound": float,
        "tolerance": float,
        "unit": str,
        "severity": str,
        "evidence": str,
    }
    db.table("episode_parts").create(
        columns, pk=("episode", "summary", "labels", "opened_ns"), strict=True
    )


def add_lags(db: Database) -> None:
    """Add the lags of agents, which begin with the last arrival."""
    for column in ("lag_ns", "least_lag_ns"):
        db.execute(f"ALTER TABLE heard ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE heard SET lag_ns = received_ns - end_ns, least_lag_ns = received_ns - end_ns"
    )
