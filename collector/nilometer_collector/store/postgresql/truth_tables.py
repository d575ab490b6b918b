"""Tables of ground truth in PostgreSQL, for the migration `create_truths`. Never change them."""

from nilometer_collector.store.postgresql.session import Session


def create_truth_tables(session: Session) -> None:
    """Create labels, rows that wait, windows of judged predictions, chunks and totals.

    A label is found by a hash of its entity and of the name of its prediction, like the prediction. A
    prediction without an id has its subject as the name, and its time. A label set is identified by a
    digest, because an index cannot hold long texts.
    """
    session.execute("""
        CREATE TABLE truths (
            hash bigint NOT NULL,
            name text COLLATE "C" NOT NULL,
            row bigint NOT NULL,
            time_ns bigint NOT NULL,
            truth text NOT NULL,
            known_ns bigint NOT NULL,
            source bigint NOT NULL,
            window_id bigint NOT NULL,
            PRIMARY KEY (hash, name, row, time_ns)
        )""")
    session.execute("CREATE INDEX truths_window ON truths (window_id)")
    session.execute("""
        CREATE TABLE waiting_truths (
            entity text COLLATE "C" NOT NULL,
            name text COLLATE "C" NOT NULL,
            row bigint NOT NULL,
            subject text COLLATE "C" NOT NULL,
            time_ns bigint NOT NULL,
            truth text NOT NULL,
            known_ns bigint NOT NULL,
            source bigint NOT NULL,
            arrived_ns bigint NOT NULL,
            due_ns bigint NOT NULL,
            PRIMARY KEY (entity, name, row, subject, time_ns)
        )""")
    session.execute("CREATE INDEX waiting_truths_due ON waiting_truths (entity, due_ns)")
    _create_windows(session)
    _create_chunks(session)


def _create_windows(session: Session) -> None:
    session.execute("""
        CREATE TABLE judged_windows (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            entity text COLLATE "C" NOT NULL,
            start_ns bigint NOT NULL,
            end_ns bigint NOT NULL,
            labels text COLLATE "C" NOT NULL,
            labels_digest bytea NOT NULL,
            definition text NOT NULL,
            labelled bigint NOT NULL,
            lags text NOT NULL,
            payload bytea NOT NULL,
            crc bigint NOT NULL,
            series bigint NOT NULL,
            received_ns bigint NOT NULL,
            UNIQUE (entity, start_ns, end_ns, labels_digest)
        ) WITH (fillfactor = 70)""")
    session.execute("CREATE INDEX judged_windows_end ON judged_windows (end_ns)")


def _create_chunks(session: Session) -> None:
    session.execute("""
        CREATE TABLE truth_chunks (
            entity text COLLATE "C" NOT NULL,
            source bytea NOT NULL,
            number bigint NOT NULL,
            position bigint NOT NULL,
            counts text NOT NULL,
            received_ns bigint NOT NULL,
            PRIMARY KEY (entity, source, number)
        )""")
    session.execute("""
        CREATE TABLE truth_totals (
            entity text COLLATE "C" NOT NULL,
            outcome text COLLATE "C" NOT NULL,
            rows bigint NOT NULL,
            PRIMARY KEY (entity, outcome)
        )""")
