"""The tables of targets and runs of actions in PostgreSQL, which a migration creates."""

import secrets

from nilometer_collector.store.postgresql.session import Session


def create_action_tables(session: Session) -> None:
    """Create targets, runs and their turns, the key of signed links, and messages about turns."""
    session.execute("CREATE TABLE targets (LIKE channels INCLUDING ALL)")
    session.execute("""
        CREATE TABLE action_runs (
            id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
            key text NOT NULL,
            entity text COLLATE "C" NOT NULL,
            episode bigint NOT NULL,
            action_entity text COLLATE "C" NOT NULL,
            action_name text COLLATE "C" NOT NULL,
            number integer NOT NULL,
            definition text NOT NULL,
            state text NOT NULL,
            is_over boolean NOT NULL,
            started_ns bigint NOT NULL DEFAULT 0,
            attempts integer NOT NULL DEFAULT 0,
            last_failure text NOT NULL DEFAULT '',
            not_before_ns bigint NOT NULL DEFAULT 0,
            held_by text NOT NULL DEFAULT '',
            holder text,
            held_until timestamptz,
            PRIMARY KEY (entity, id),
            UNIQUE (entity, episode, action_entity, action_name, number)
        )""")
    session.execute("CREATE INDEX action_runs_open ON action_runs (entity) WHERE NOT is_over")
    session.execute("CREATE INDEX action_runs_started ON action_runs (action_name, started_ns)")
    session.execute("""
        CREATE TABLE action_turns (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            run bigint NOT NULL,
            state text NOT NULL,
            at_ns bigint NOT NULL,
            author text NOT NULL,
            reason text NOT NULL,
            PRIMARY KEY (entity, id)
        )""")
    session.execute("CREATE INDEX action_turns_run ON action_turns (run)")
    session.execute("ALTER TABLE deliveries ADD COLUMN action_turn bigint")
    session.execute(
        "INSERT INTO secrets (name, key) VALUES ('links', %(key)s)",
        {"key": secrets.token_bytes(32)},
    )
