"""Tables of decisions about episodes, and what they change in others."""

from nilometer_collector.store.postgresql.session import Session


def create_decision_tables(session: Session) -> None:
    """Create decisions, let alerters be quiet, and let notifications be held."""
    session.execute("""
        CREATE TABLE decisions (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            episode bigint NOT NULL,
            kind text NOT NULL,
            author text NOT NULL,
            reason text NOT NULL,
            made_ns bigint NOT NULL,
            until_ns bigint,
            summary text COLLATE "C" NOT NULL,
            labels_text text COLLATE "C" NOT NULL,
            pending boolean NOT NULL,
            PRIMARY KEY (entity, id)
        )""")
    session.execute("CREATE INDEX decisions_episode ON decisions (entity, episode)")
    session.execute("ALTER TABLE judged ADD COLUMN quiet_until_ns bigint NOT NULL DEFAULT 0")
    session.execute("ALTER TABLE deliveries ADD COLUMN held_until_ns bigint NOT NULL DEFAULT 0")
    session.execute("ALTER TABLE deliveries ADD COLUMN withheld_ns bigint")
    session.execute(
        "ALTER TABLE deliveries DROP CONSTRAINT deliveries_entity_transition_channel_key"
    )
    session.execute("CREATE INDEX deliveries_transition ON deliveries (entity, transition)")
    session.execute("DROP INDEX deliveries_waiting")
    session.execute(
        "CREATE INDEX deliveries_waiting ON deliveries (channel, id) "
        "WHERE delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL"
    )
    session.execute("ALTER TABLE episode_parts ADD COLUMN ended text")
