"""The schema in PostgreSQL, as migrations. A migration never changes and runs in its own transaction.

Times are Unix nanoseconds. A checksum is the CRC-32 of the payload in the same row. Texts are
sorted by their bytes, as in SQLite. Keys of samples, references and alerts contain the entity, so
that a Citus cluster could distribute them by entity.
"""

import secrets

from nilometer_collector.store.postgresql.action_tables import create_action_tables
from nilometer_collector.store.postgresql.addition_tables import (
    create_addition_tables,
    create_shipped_additions,
    sum_additions_once,
)
from nilometer_collector.store.postgresql.alert_tables import (
    create_alert_states,
    create_alerters,
    create_deliveries,
    create_episodes,
)
from nilometer_collector.store.postgresql.audit_tables import (
    bound_audit_by_workspace,
    create_audit_tables,
)
from nilometer_collector.store.postgresql.decision_tables import create_decision_tables
from nilometer_collector.store.postgresql.history_tables import create_history_tables
from nilometer_collector.store.postgresql.migrations import Migrations
from nilometer_collector.store.postgresql.pipeline_tables import add_columns_of_edges
from nilometer_collector.store.postgresql.prediction_tables import create_prediction_tables
from nilometer_collector.store.postgresql.receiver_tables import create_receiver_tables
from nilometer_collector.store.postgresql.rollup_tables import create_rollup_tables, rename_leases
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.state_columns import add_newest_evaluation
from nilometer_collector.store.postgresql.truth_tables import create_truth_tables

MIGRATIONS = Migrations()


@MIGRATIONS
def create_streams(session: Session) -> None:
    """Stored sequences of each outbox: all up to `high_water`, and single ones above it.

    This is the deduplication. It is a separate table, because a unique key of `samples` would have
    to contain the time of arrival, which differs between two attempts.
    """
    session.execute("""
        CREATE TABLE streams (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            agent text COLLATE "C" NOT NULL,
            epoch bytea NOT NULL,
            high_water bigint NOT NULL,
            received_ns bigint NOT NULL,
            UNIQUE (agent, epoch)
        )""")
    session.execute("""
        CREATE TABLE stream_ahead (
            stream bigint NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (stream, sequence)
        )""")


@MIGRATIONS
def create_samples(session: Session) -> None:
    """One row for each sample, and one for each series, with the statistics that lists show.

    Samples are partitioned by the time of arrival. Writes go to one partition, late and future
    windows need no partition of their own, and retention, which counts from the arrival, drops
    whole partitions. A label set is identified by the SHA-256 of its text, because the text may be
    longer than an index allows.
    """
    session.execute("""
        CREATE TABLE series (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            summary text COLLATE "C" NOT NULL,
            labels jsonb NOT NULL,
            labels_text text COLLATE "C" NOT NULL,
            labels_digest bytea NOT NULL,
            seen bigint NOT NULL,
            numbers bigint NOT NULL,
            categories bigint NOT NULL,
            samples bigint NOT NULL,
            first_start_ns bigint NOT NULL,
            last_end_ns bigint NOT NULL,
            longest_window_ns bigint NOT NULL,
            last_window_ns bigint NOT NULL,
            last_received_ns bigint NOT NULL,
            PRIMARY KEY (entity, id),
            UNIQUE (entity, summary, labels_digest)
        ) WITH (fillfactor = 70)""")
    session.execute("CREATE INDEX series_labels ON series USING gin (labels)")
    session.execute("""
        CREATE TABLE samples (
            entity text COLLATE "C" NOT NULL,
            series bigint NOT NULL,
            window_start_ns bigint NOT NULL,
            window_end_ns bigint NOT NULL,
            stream bigint NOT NULL,
            sequence bigint NOT NULL,
            observations bigint NOT NULL,
            received_ns bigint NOT NULL,
            crc bigint NOT NULL,
            payload bytea NOT NULL
        ) PARTITION BY RANGE (received_ns)""")
    session.execute("CREATE INDEX samples_window ON samples (series, window_start_ns)")


@MIGRATIONS
def create_references(session: Session) -> None:
    """All versions of all references; each name has one current version."""
    session.execute("""
        CREATE TABLE reference_versions (
            entity text COLLATE "C" NOT NULL,
            id bigint GENERATED ALWAYS AS IDENTITY,
            name text COLLATE "C" NOT NULL,
            digest text NOT NULL,
            created_ns bigint NOT NULL,
            rows bigint NOT NULL,
            source text NOT NULL,
            current boolean NOT NULL,
            received_ns bigint NOT NULL,
            payload bytea NOT NULL,
            crc bigint NOT NULL,
            PRIMARY KEY (entity, id),
            UNIQUE (entity, name, digest)
        )""")


MIGRATIONS(create_alerters)
MIGRATIONS(create_alert_states)
MIGRATIONS(create_episodes)
MIGRATIONS(create_deliveries)


@MIGRATIONS
def create_secrets(session: Session) -> None:
    """Random keys of this installation: the key for pseudonyms of category names."""
    session.execute("CREATE TABLE secrets (name text PRIMARY KEY, key bytea NOT NULL)")
    session.execute(
        "INSERT INTO secrets (name, key) VALUES ('names', %(key)s)",
        {"key": secrets.token_bytes(32)},
    )


@MIGRATIONS
def create_rollups(session: Session) -> None:
    """Roll-ups, parts that lack samples, the content of each level, pinned spans, and leases."""
    create_rollup_tables(session)


@MIGRATIONS
def create_watching(session: Session) -> None:
    """The state of the default alerter, and its windows. Leases end by the server's clock."""
    session.execute("""
        CREATE TABLE heard (
            entity text COLLATE "C" NOT NULL,
            agent text COLLATE "C" NOT NULL,
            end_ns bigint NOT NULL,
            received_ns bigint NOT NULL,
            PRIMARY KEY (entity, agent)
        ) WITH (fillfactor = 70)""")
    session.execute("""
        CREATE TABLE watch_leases (
            entity text COLLATE "C" PRIMARY KEY, holder text NOT NULL, held_until timestamptz NOT NULL
        )""")
    session.execute("""
        CREATE TABLE watch_states (
            entity text COLLATE "C" PRIMARY KEY,
            revision bigint NOT NULL,
            state bytea NOT NULL,
            baselines bytea NOT NULL,
            report bytea NOT NULL
        )""")
    session.execute("""
        CREATE TABLE watch_windows (
            entity text COLLATE "C" NOT NULL,
            end_ns bigint NOT NULL,
            payload bytea NOT NULL,
            PRIMARY KEY (entity, end_ns)
        )""")


@MIGRATIONS
def create_episode_parts(session: Session) -> None:
    """Parts of the default alerter's episodes, which have a `number` within their entity."""
    session.execute("ALTER TABLE episodes ADD COLUMN number bigint")
    session.execute("DROP INDEX episodes_open")
    session.execute(
        "CREATE UNIQUE INDEX episodes_open ON episodes (entity, judged) "
        "WHERE closed_ns IS NULL AND number IS NULL"
    )
    session.execute(
        "CREATE UNIQUE INDEX episodes_number ON episodes (entity, number) WHERE number IS NOT NULL"
    )
    session.execute("""
        CREATE TABLE episode_parts (
            entity text COLLATE "C" NOT NULL,
            episode bigint NOT NULL,
            summary text COLLATE "C" NOT NULL,
            labels_text text COLLATE "C" NOT NULL,
            labels_digest bytea NOT NULL,
            component text NOT NULL,
            direction bigint NOT NULL,
            onset_ns bigint NOT NULL,
            opened_ns bigint NOT NULL,
            closed_ns bigint,
            effect double precision NOT NULL,
            bound double precision NOT NULL,
            tolerance double precision NOT NULL,
            unit text NOT NULL,
            severity text NOT NULL,
            evidence text NOT NULL,
            PRIMARY KEY (entity, episode, summary, labels_digest, opened_ns)
        )""")


@MIGRATIONS
def add_waits_of_deliveries(session: Session) -> None:
    """Add the time, by the server's clock, before which a delivery must not be tried again."""
    session.execute("ALTER TABLE deliveries ADD COLUMN not_before timestamptz")


@MIGRATIONS
def create_declarations(session: Session) -> None:
    """What users say about entities, and the types of the summaries that they log.

    A deleted entity keeps its row, so that its versions never repeat.
    """
    session.execute("""
        CREATE TABLE entities (
            name text COLLATE "C" PRIMARY KEY,
            kind text NOT NULL,
            owner text NOT NULL,
            time_zone text NOT NULL,
            description text NOT NULL,
            attributes text NOT NULL,
            reads_from text NOT NULL,
            version bigint NOT NULL,
            updated_ns bigint NOT NULL,
            deleted boolean NOT NULL
        )""")
    session.execute("""
        CREATE TABLE logged_summaries (
            entity text COLLATE "C" NOT NULL,
            summary text COLLATE "C" NOT NULL,
            data_type text NOT NULL,
            aggregation text NOT NULL,
            unit text NOT NULL,
            PRIMARY KEY (entity, summary)
        )""")


@MIGRATIONS
def create_decisions(session: Session) -> None:
    """What people decide about episodes. A notification is held while its episode is silenced."""
    create_decision_tables(session)


@MIGRATIONS
def add_lags_of_agents(session: Session) -> None:
    """Add the age of the newest window when it arrived, and the smallest age of any window."""
    for column in ("lag_ns", "least_lag_ns"):
        session.execute(f"ALTER TABLE heard ADD COLUMN {column} bigint NOT NULL DEFAULT 0")
    session.execute(
        "UPDATE heard SET lag_ns = received_ns - end_ns, least_lag_ns = received_ns - end_ns"
    )


@MIGRATIONS
def add_shapes_of_logged_summaries(session: Session) -> None:
    """Add the shapes of logged summaries, and the sequences that an outbox no longer held."""
    session.execute("ALTER TABLE logged_summaries ADD COLUMN shape text NOT NULL DEFAULT '[]'")
    session.execute("ALTER TABLE streams ADD COLUMN settled bigint NOT NULL DEFAULT 0")


@MIGRATIONS
def create_additions(session: Session) -> None:
    """Additions to the statistics of series, which a shipment only logs; and `series_now`."""
    create_addition_tables(session)


@MIGRATIONS
def add_lapsed_decisions(session: Session) -> None:
    """Add whether a new normal had no effect, because its part closed before."""
    session.execute("ALTER TABLE decisions ADD COLUMN lapsed boolean NOT NULL DEFAULT false")


@MIGRATIONS
def add_newest_evaluations(session: Session) -> None:
    """Add the newest evaluation to each state, and the time of the worst value to episodes."""
    add_newest_evaluation(session)


@MIGRATIONS
def create_history(session: Session) -> None:
    """Changes of declared objects, and objects that have no table of their own."""
    create_history_tables(session)


@MIGRATIONS
def create_receivers(session: Session) -> None:
    """Channels and routes that users define, and the attempts at each message."""
    create_receiver_tables(session)


MIGRATIONS(sum_additions_once)
MIGRATIONS(create_action_tables)


@MIGRATIONS
def create_predictions(session: Session) -> None:
    """Logged predictions, which ground truth joins."""
    create_prediction_tables(session)


@MIGRATIONS
def create_truths(session: Session) -> None:
    """Ground truth, and the windows of judged predictions."""
    create_truth_tables(session)


MIGRATIONS(add_columns_of_edges)
MIGRATIONS(create_audit_tables)


@MIGRATIONS
def count_waiting_truths(session: Session) -> None:
    """Count the ground truth that waits once; from now on joins keep its number in the totals."""
    session.execute(
        "INSERT INTO truth_totals (entity, outcome, rows) "
        "SELECT entity, 'waiting', count(*) FROM waiting_truths GROUP BY entity"
    )


MIGRATIONS(bound_audit_by_workspace)


@MIGRATIONS
def add_links_of_decisions(session: Session) -> None:
    """Add what the signed link of a message may do once to the decision that it made."""
    session.execute("ALTER TABLE decisions ADD COLUMN link text NOT NULL DEFAULT ''")


@MIGRATIONS
def add_declared_silences(session: Session) -> None:
    """Add which declared silence made a decision; empty for a person."""
    session.execute("ALTER TABLE decisions ADD COLUMN declared text NOT NULL DEFAULT ''")
    session.execute("CREATE INDEX decisions_declared ON decisions (until_ns) WHERE declared <> ''")


@MIGRATIONS
def add_expiry_of_references(session: Session) -> None:
    """Add the time from which no window is compared with a version."""
    session.execute("ALTER TABLE reference_versions ADD COLUMN expires_ns bigint")


MIGRATIONS(create_shipped_additions)
MIGRATIONS(rename_leases)


@MIGRATIONS
def add_reasons_of_revisions(session: Session) -> None:
    """Add why the author changed declared objects; empty without a reason."""
    session.execute("ALTER TABLE revisions ADD COLUMN reason text NOT NULL DEFAULT ''")


@MIGRATIONS
def drop_pins(session: Session) -> None:
    """Drop the spans that were kept longer than the retention; nothing ever set one."""
    session.execute("DROP TABLE pins")
