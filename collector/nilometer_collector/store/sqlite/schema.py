"""The database schema, as migrations. A migration never changes and runs in its own transaction.

Times are Unix nanoseconds. A checksum is the CRC-32 of the payload in the same row.
"""

import secrets

from sqlite_utils import Database, Migrations

from nilometer_collector.store.sqlite.action_tables import create_action_tables
from nilometer_collector.store.sqlite.alert_tables import (
    create_alerters,
    create_deliveries,
    create_episodes,
)
from nilometer_collector.store.sqlite.audit_tables import (
    bound_audit_by_workspace,
    create_audit_tables,
)
from nilometer_collector.store.sqlite.decision_tables import create_decision_tables
from nilometer_collector.store.sqlite.history_tables import create_history_tables
from nilometer_collector.store.sqlite.pipeline_tables import add_columns_of_edges
from nilometer_collector.store.sqlite.prediction_tables import create_prediction_tables
from nilometer_collector.store.sqlite.receiver_tables import create_receiver_tables
from nilometer_collector.store.sqlite.state_columns import add_newest_evaluation
from nilometer_collector.store.sqlite.truth_tables import create_truth_tables
from nilometer_collector.store.sqlite.watching_tables import add_lags, create_watching_tables

migrations = Migrations("nilometer_collector")


@migrations()
def create_streams(db: Database) -> None:
    """Stored sequences of each outbox: all up to `high_water`, and single ones above it."""
    db.table("streams").create(
        {"id": int, "agent": str, "epoch": bytes, "high_water": int, "received_ns": int},
        pk="id",
        not_null={"agent", "epoch", "high_water", "received_ns"},
        strict=True,
    )
    db.table("streams").create_index(["agent", "epoch"], unique=True)
    db.table("stream_ahead").create(
        {"stream": int, "sequence": int}, pk=("stream", "sequence"), strict=True
    )


@migrations()
def create_samples(db: Database) -> None:
    """One row for each sample, and one for each series, with the statistics that lists show."""
    figures = {
        "seen": int,
        "numbers": int,
        "categories": int,
        "samples": int,
        "first_start_ns": int,
        "last_end_ns": int,
        "longest_window_ns": int,
        "last_window_ns": int,
        "last_received_ns": int,
    }
    db.table("series").create(
        {"id": int, "entity": str, "summary": str, "labels": str, **figures},
        pk="id",
        not_null={"entity", "summary", "labels", *figures},
        strict=True,
    )
    db.table("series").create_index(["entity", "summary", "labels"], unique=True)
    columns = {
        "series": int,
        "window_start_ns": int,
        "window_end_ns": int,
        "stream": int,
        "sequence": int,
        "observations": int,
        "received_ns": int,
        "payload": bytes,
        "crc": int,
    }
    db.table("samples").create({"id": int, **columns}, pk="id", not_null=set(columns), strict=True)
    db.table("samples").create_index(["series", "window_start_ns"])
    db.table("samples").create_index(["stream", "sequence"], unique=True)


@migrations()
def create_references(db: Database) -> None:
    """All versions of all references; each name has one current version."""
    columns = {
        "entity": str,
        "name": str,
        "digest": str,
        "created_ns": int,
        "rows": int,
        "source": str,
        "current": int,
        "received_ns": int,
        "payload": bytes,
        "crc": int,
    }
    db.table("reference_versions").create(
        {"id": int, **columns}, pk="id", not_null=set(columns), strict=True
    )
    db.table("reference_versions").create_index(["entity", "name", "digest"], unique=True)


migrations()(create_alerters)
migrations()(create_episodes)
migrations()(create_deliveries)


@migrations()
def create_secrets(db: Database) -> None:
    """Random keys of this installation: the key for pseudonyms of category names."""
    db.table("secrets").create(
        {"name": str, "key": bytes}, pk="name", not_null={"key"}, strict=True
    )
    db.table("secrets").insert({"name": "names", "key": secrets.token_bytes(32)})


@migrations()
def name_alerter_payloads(db: Database) -> None:
    """Give the stored alerters of episodes and transitions the name that `alerters` uses."""
    for table in ("episodes", "transitions"):
        db.execute(f"ALTER TABLE {table} RENAME COLUMN rule TO alerter_payload")


@migrations()
def create_rollups(db: Database) -> None:
    """Roll-ups, parts that lack samples, the content of each level, and pinned spans.

    A roll-up belongs to a day of arrival, counted from 1970. So samples that arrive after the
    others were removed get a roll-up of their own. `number` distinguishes samples of one part that
    do not merge. All existing samples are marked to be rolled up.
    """
    part = {
        "series": int,
        "level_ns": int,
        "window_start_ns": int,
        "window_end_ns": int,
        "arrival_day": int,
    }
    columns = {**part, "number": int, "observations": int, "payload": bytes, "crc": int}
    db.table("rollups").create({"id": int, **columns}, pk="id", not_null=set(columns), strict=True)
    db.table("rollups").create_index([*part, "number"], unique=True)
    db.table("rollups").create_index(["level_ns", "arrival_day"])
    db.execute(
        "CREATE TABLE stale_parts (series INTEGER, level_ns INTEGER, window_start_ns INTEGER, "
        "window_end_ns INTEGER, arrival_day INTEGER, due_ns INTEGER NOT NULL, "
        "version INTEGER NOT NULL, PRIMARY KEY (series, level_ns, window_start_ns, window_end_ns, "
        "arrival_day)) STRICT, WITHOUT ROWID"
    )
    db.table("stale_parts").create_index(["level_ns", "due_ns"])
    db.table("levels").create(
        {"level_ns": int, "rows": int, "bytes": int, "held_from_day": int},
        pk="level_ns",
        not_null={"rows", "bytes", "held_from_day"},
        strict=True,
    )
    db.table("pins").create(
        {"name": str, "series": int, "level_ns": int, "start_ns": int, "end_ns": int},
        pk=("name", "series"),
        not_null={"level_ns", "start_ns", "end_ns"},
        strict=True,
    )
    db.table("pins").create_index(["series", "level_ns"])
    _create_arrival_days(db)
    _fill_levels(db)


def _create_arrival_days(db: Database) -> None:
    """Store the ids of the samples of each day of arrival, because an index would be larger."""
    db.table("arrival_days").create(
        {"day": int, "first_id": int, "last_id": int},
        pk="day",
        not_null={"first_id", "last_id"},
        strict=True,
    )
    db.execute(
        "INSERT INTO arrival_days (day, first_id, last_id) "
        "SELECT received_ns / 86400000000000, min(id), max(id) FROM samples GROUP BY 1"
    )


def _fill_levels(db: Database) -> None:
    db.execute(
        "INSERT INTO levels (level_ns, rows, bytes, held_from_day) "
        "SELECT 0, count(*), coalesce(sum(length(payload)), 0), 0 FROM samples"
    )
    for level_ns in (300_000_000_000, 3_600_000_000_000, 86_400_000_000_000):
        db.execute(
            "INSERT INTO levels (level_ns, rows, bytes, held_from_day) VALUES (?, 0, 0, 0)",
            (level_ns,),
        )
    db.execute(
        "INSERT INTO stale_parts (series, level_ns, window_start_ns, window_end_ns, arrival_day, "
        "due_ns, version) SELECT DISTINCT series, 300000000000, "
        "CASE WHEN short THEN window_start_ns - window_start_ns % 300000000000 "
        "ELSE window_start_ns END, "
        "CASE WHEN short THEN window_start_ns - window_start_ns % 300000000000 + 300000000000 "
        "ELSE window_end_ns END, received_ns / 86400000000000, 0, 0 FROM (SELECT *, "
        "window_end_ns - window_start_ns < 300000000000 AS short FROM samples)"
    )


@migrations()
def create_watching(db: Database) -> None:
    """The state of the default alerter, its windows, and the parts of its episodes."""
    create_watching_tables(db)


@migrations()
def add_waits_of_deliveries(db: Database) -> None:
    """Add the time before which a delivery must not be tried again."""
    db.execute("ALTER TABLE deliveries ADD COLUMN not_before_ns INTEGER NOT NULL DEFAULT 0")


@migrations()
def create_declarations(db: Database) -> None:
    """What users say about entities, and the types of the summaries that they log.

    A deleted entity keeps its row, so that its versions never repeat.
    """
    db.table("entities").create(
        {
            "name": str,
            "kind": str,
            "owner": str,
            "time_zone": str,
            "description": str,
            "attributes": str,
            "reads_from": str,
            "version": int,
            "updated_ns": int,
            "deleted": int,
        },
        pk="name",
        strict=True,
    )
    db.table("logged_summaries").create(
        {"entity": str, "summary": str, "data_type": str, "aggregation": str, "unit": str},
        pk=("entity", "summary"),
        strict=True,
    )


@migrations()
def create_decisions(db: Database) -> None:
    """What people decide about episodes. A notification is held while its episode is silenced."""
    create_decision_tables(db)


@migrations()
def add_lags_of_agents(db: Database) -> None:
    """Add the age of the newest window when it arrived, and the smallest age of any window."""
    add_lags(db)


@migrations()
def add_shapes_of_logged_summaries(db: Database) -> None:
    """Add the shapes of logged summaries, and the sequences that an outbox no longer held."""
    db.execute("ALTER TABLE logged_summaries ADD COLUMN shape TEXT NOT NULL DEFAULT '[]'")
    db.execute("ALTER TABLE streams ADD COLUMN settled INTEGER NOT NULL DEFAULT 0")


@migrations()
def add_lapsed_decisions(db: Database) -> None:
    """Add whether a new normal had no effect, because its part closed before."""
    db.execute("ALTER TABLE decisions ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0")


@migrations()
def add_newest_evaluations(db: Database) -> None:
    """Add the newest evaluation to each state, and the time of the worst value to episodes."""
    add_newest_evaluation(db)


@migrations()
def create_history(db: Database) -> None:
    """Changes of declared objects, and objects that have no table of their own."""
    create_history_tables(db)


@migrations()
def create_receivers(db: Database) -> None:
    """Channels and routes that users define, and the attempts at each message."""
    create_receiver_tables(db)


migrations()(create_action_tables)


@migrations()
def create_predictions(db: Database) -> None:
    """Logged predictions, which ground truth joins."""
    create_prediction_tables(db)


@migrations()
def create_truths(db: Database) -> None:
    """Ground truth, and the windows of judged predictions."""
    create_truth_tables(db)


migrations()(add_columns_of_edges)
migrations()(create_audit_tables)


@migrations()
def count_waiting_truths(db: Database) -> None:
    """Count the ground truth that waits once; from now on joins keep its number in the totals."""
    db.execute(
        "INSERT INTO truth_totals (entity, outcome, rows) "
        "SELECT entity, 'waiting', count(*) FROM waiting_truths GROUP BY entity"
    )


migrations()(bound_audit_by_workspace)


@migrations()
def add_links_of_decisions(db: Database) -> None:
    """Add what the signed link of a message may do once to the decision that it made."""
    db.execute("ALTER TABLE decisions ADD COLUMN link TEXT NOT NULL DEFAULT ''")


@migrations()
def add_declared_silences(db: Database) -> None:
    """Add which declared silence made a decision; empty for a person."""
    db.execute("ALTER TABLE decisions ADD COLUMN declared TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE INDEX decisions_declared ON decisions (until_ns) WHERE declared <> ''")


@migrations()
def add_expiry_of_references(db: Database) -> None:
    """Add the time from which no window is compared with a version."""
    db.execute("ALTER TABLE reference_versions ADD COLUMN expires_ns INTEGER")


@migrations()
def add_reasons_of_revisions(db: Database) -> None:
    """Add why the author changed declared objects; empty without a reason."""
    db.execute("ALTER TABLE revisions ADD COLUMN reason TEXT NOT NULL DEFAULT ''")


@migrations()
def drop_pins(db: Database) -> None:
    """Drop the spans that were kept longer than the retention; nothing ever set one."""
    db.execute("DROP TABLE pins")
