"""What the pipeline adds to the tables of declared entities."""

from sqlite_utils import Database


def add_columns_of_edges(db: Database) -> None:
    """Add the columns of edges whose names differ, as JSON."""
    db.execute("ALTER TABLE entities ADD COLUMN columns TEXT NOT NULL DEFAULT '{}'")
