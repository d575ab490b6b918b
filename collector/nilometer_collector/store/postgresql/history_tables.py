"""The tables of declared objects and their history in PostgreSQL, which a migration creates."""

from nilometer_collector.store.postgresql.session import Session


def create_history_tables(session: Session) -> None:
    """Create revisions, their changes, and the objects that have no table of their own."""
    session.execute("""
        CREATE TABLE revisions (
            id bigint PRIMARY KEY,
            author text NOT NULL,
            origin text NOT NULL,
            made_ns bigint NOT NULL
        )""")
    session.execute("""
        CREATE TABLE changes (
            revision bigint NOT NULL,
            kind text COLLATE "C" NOT NULL,
            entity text COLLATE "C" NOT NULL,
            name text COLLATE "C" NOT NULL,
            before text,
            after text,
            PRIMARY KEY (revision, kind, entity, name)
        )""")
    session.execute("CREATE INDEX changes_entity ON changes (entity, revision)")
    session.execute("""
        CREATE TABLE objects (
            kind text COLLATE "C" NOT NULL,
            entity text COLLATE "C" NOT NULL,
            name text COLLATE "C" NOT NULL,
            content text NOT NULL,
            PRIMARY KEY (kind, entity, name)
        )""")
