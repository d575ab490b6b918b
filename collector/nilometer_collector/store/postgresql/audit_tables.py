"""The table of the audit log in PostgreSQL, which a migration creates."""

from nilometer_collector.store.postgresql.session import Session


def create_audit_tables(session: Session) -> None:
    """Create the entries of the audit log."""
    session.execute("""
        CREATE TABLE audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at_ns bigint NOT NULL,
            principal text NOT NULL,
            author text NOT NULL,
            workspace text NOT NULL,
            address text NOT NULL,
            operation text NOT NULL,
            entity text NOT NULL,
            name text NOT NULL,
            outcome text COLLATE "C" NOT NULL,
            status integer NOT NULL,
            times bigint NOT NULL DEFAULT 1,
            slot text COLLATE "C" UNIQUE
        )""")
    session.execute("CREATE INDEX audit_at ON audit (at_ns)")
    session.execute("CREATE INDEX audit_outcome ON audit (outcome, id)")


def bound_audit_by_workspace(session: Session) -> None:
    """Replace the index by one for the bounds of each workspace, and of callers without a token."""
    session.execute("DROP INDEX audit_outcome")
    session.execute("CREATE INDEX audit_share ON audit (workspace, outcome, (principal = ''), id)")
