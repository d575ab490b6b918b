"""Tables of logged predictions, for the migration `create_predictions`. Never change them."""

from nilometer_collector.store.postgresql.session import Session


def create_prediction_tables(session: Session) -> None:
    """Create predictions, their shapes, and their number by entity and day of arrival.

    A shape is what many rows share: entity, label set and names of columns. Predictions are
    partitioned by the day of arrival, as samples are. The indexes hold hashes of ids and of subjects,
    never the texts; a row without a subject has 0 there.
    """
    session.execute("""
        CREATE TABLE prediction_shapes (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            digest bytea NOT NULL UNIQUE,
            entity text COLLATE "C" NOT NULL,
            content text NOT NULL
        )""")
    session.execute("CREATE SEQUENCE prediction_numbers")
    session.execute("""
        CREATE TABLE predictions (
            entity text COLLATE "C" NOT NULL,
            number bigint NOT NULL DEFAULT nextval('prediction_numbers'),
            key bigint NOT NULL,
            subject_key bigint NOT NULL,
            row bigint NOT NULL,
            time_ns bigint NOT NULL,
            day bigint NOT NULL,
            shape bigint NOT NULL,
            ambiguous bigint NOT NULL,
            crc bigint NOT NULL,
            payload bytea NOT NULL
        ) PARTITION BY RANGE (day)""")
    session.execute("CREATE INDEX predictions_key ON predictions (key)")
    session.execute("CREATE INDEX predictions_number ON predictions (number)")
    session.execute(
        "CREATE INDEX predictions_subject ON predictions (subject_key, time_ns) WHERE subject_key <> 0"
    )
    session.execute("""
        CREATE TABLE prediction_days (
            entity text COLLATE "C" NOT NULL,
            day bigint NOT NULL,
            rows bigint NOT NULL,
            bytes bigint NOT NULL,
            ambiguous bigint NOT NULL,
            PRIMARY KEY (entity, day)
        ) WITH (fillfactor = 70)""")
