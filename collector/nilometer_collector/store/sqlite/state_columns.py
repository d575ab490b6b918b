"""The columns of states that migrations add in SQLite."""

from sqlite_utils import Database


def add_newest_evaluation(db: Database) -> None:
    """Add the newest evaluation and the time of the worst value.

    States of older versions know only their status, and their episodes only the worst value.
    """
    for column, kind in (("reason", "TEXT"), ("sentence", "TEXT")):
        db.execute(f"ALTER TABLE alert_states ADD COLUMN {column} {kind} NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE alert_states ADD COLUMN value REAL NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE alert_states ADD COLUMN value_end_ns INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE alert_states SET reason = CASE status WHEN 'OK' THEN 'within_limit' "
        "WHEN 'ALERTING' THEN 'breach' WHEN 'NO_DATA' THEN 'no_window' ELSE 'no_window_yet' END"
    )
    db.execute("ALTER TABLE episodes ADD COLUMN worst_ns INTEGER")
