"""Tables of channels and routes, and what they change in the queue of notifications."""

from nilometer_collector.store.postgresql.session import Session


def create_receiver_tables(session: Session) -> None:
    """Create channels, routes and attempts; let notifications share messages and wait for hours."""
    session.execute("""
        CREATE TABLE channels (
            name text COLLATE "C" PRIMARY KEY,
            origin text NOT NULL,
            updated_ns bigint NOT NULL,
            payload text NOT NULL
        )""")
    session.execute("CREATE TABLE routes (LIKE channels INCLUDING ALL)")
    session.execute("""
        CREATE TABLE attempts (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            channel text NOT NULL,
            key text NOT NULL,
            at_ns bigint NOT NULL,
            outcome text NOT NULL,
            reason text NOT NULL
        )""")
    session.execute("CREATE INDEX attempts_key ON attempts (key)")
    session.execute("CREATE INDEX attempts_channel ON attempts (channel, outcome, at_ns)")
    session.execute("ALTER TABLE deliveries ADD COLUMN due_ns bigint NOT NULL DEFAULT 0")
    session.execute("ALTER TABLE deliveries ADD COLUMN sealed boolean NOT NULL DEFAULT false")
    session.execute("ALTER TABLE deliveries ADD COLUMN acknowledged boolean NOT NULL DEFAULT false")
    session.execute("CREATE INDEX deliveries_key ON deliveries (key)")
