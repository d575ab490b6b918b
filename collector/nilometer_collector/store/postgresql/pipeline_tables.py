"""What the pipeline adds to the tables of declared entities."""

from nilometer_collector.store.postgresql.session import Session


def add_columns_of_edges(session: Session) -> None:
    """Add the columns of edges whose names differ, as JSON."""
    session.execute("ALTER TABLE entities ADD COLUMN columns text NOT NULL DEFAULT '{}'")
