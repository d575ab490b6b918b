"""Tables of alerters, their states, episodes, and the queue of notifications."""

from nilometer_collector.store.postgresql.session import Session


def create_alerters(session: Session) -> None:
    """Alerters. A deleted alerter keeps its row, so that late evaluations do not revive it."""
    session.execute("""
        CREATE TABLE alerters (
            entity text COLLATE "C" NOT NULL,
            name text COLLATE "C" NOT NULL,
            origin text NOT NULL,
            deleted boolean NOT NULL,
            updated_ns bigint NOT NULL,
            payload bytea NOT NULL,
            PRIMARY KEY (entity, name)
        )""")


def create_alert_states(session: Session) -> None:
    """The judged series, and the state of each agent for each of them.

    A row of `judged` is one (entity, alerter, summary, labels). Its lock serialises evaluations.
    """
    session.execute("""
        CREATE TABLE judged (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            alerter text COLLATE "C" NOT NULL,
            summary text COLLATE "C" NOT NULL,
            labels_text text COLLATE "C" NOT NULL,
            labels_digest bytea NOT NULL,
            PRIMARY KEY (entity, id),
            UNIQUE (entity, alerter, summary, labels_digest)
        )""")
    session.execute("""
        CREATE TABLE alert_states (
            entity text COLLATE "C" NOT NULL,
            judged bigint NOT NULL,
            agent text COLLATE "C" NOT NULL,
            status text NOT NULL,
            breaches bigint NOT NULL,
            fines bigint NOT NULL,
            since_ns bigint NOT NULL,
            last_end_ns bigint NOT NULL,
            received_ns bigint NOT NULL,
            PRIMARY KEY (entity, judged, agent)
        )""")


def create_episodes(session: Session) -> None:
    """The history of episodes."""
    session.execute("""
        CREATE TABLE episodes (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            judged bigint NOT NULL,
            opened_ns bigint NOT NULL,
            since_ns bigint NOT NULL,
            closed_ns bigint,
            worst double precision NOT NULL,
            alerter_payload bytea NOT NULL,
            reference_digest text NOT NULL,
            evidence text NOT NULL,
            PRIMARY KEY (entity, id)
        )""")
    session.execute("CREATE INDEX episodes_opened ON episodes (entity, opened_ns)")
    session.execute(
        "CREATE UNIQUE INDEX episodes_open ON episodes (entity, judged) WHERE closed_ns IS NULL"
    )
    session.execute("""
        CREATE TABLE transitions (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            episode bigint NOT NULL,
            status text NOT NULL,
            at_ns bigint NOT NULL,
            window_start_ns bigint NOT NULL,
            recorded_ns bigint NOT NULL,
            value double precision NOT NULL,
            evidence text NOT NULL,
            alerter_payload bytea NOT NULL,
            reference_digest text NOT NULL,
            PRIMARY KEY (entity, id)
        )""")
    session.execute("CREATE INDEX transitions_episode ON transitions (entity, episode)")


def create_deliveries(session: Session) -> None:
    """The queue of notifications: one row for each pair of transition and channel.

    `holder` is the collector that delivers the row, until `held_until` by the server's clock.
    """
    session.execute("""
        CREATE TABLE deliveries (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            entity text COLLATE "C" NOT NULL,
            transition bigint NOT NULL,
            channel text NOT NULL,
            key text NOT NULL,
            created_ns bigint NOT NULL,
            attempts bigint NOT NULL,
            delivered_ns bigint,
            refused_ns bigint,
            last_failure text,
            holder text,
            held_until timestamptz,
            UNIQUE (entity, transition, channel)
        )""")
    session.execute(
        "CREATE INDEX deliveries_waiting ON deliveries (channel, id) "
        "WHERE delivered_ns IS NULL AND refused_ns IS NULL"
    )
