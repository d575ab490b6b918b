"""Tables of ground truth in SQLite, for the migration `create_truths`. Never change them."""

from sqlite_utils import Database


def create_truth_tables(db: Database) -> None:
    """Create labels, rows that wait, windows of judged predictions, chunks and totals.

    A label is found by a hash of its entity and of the name of its prediction, like the prediction. A
    prediction without an id has its subject as the name, and its time.
    """
    db.execute(
        "CREATE TABLE truths (hash INTEGER, name TEXT, row INTEGER, time_ns INTEGER, "
        "truth TEXT NOT NULL, known_ns INTEGER NOT NULL, source INTEGER NOT NULL, "
        "window INTEGER NOT NULL, PRIMARY KEY (hash, name, row, time_ns)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX truths_window ON truths (window)")
    db.execute(
        "CREATE TABLE waiting_truths (entity TEXT, name TEXT, row INTEGER, subject TEXT, "
        "time_ns INTEGER, truth TEXT NOT NULL, known_ns INTEGER NOT NULL, source INTEGER NOT NULL, "
        "arrived_ns INTEGER NOT NULL, due_ns INTEGER NOT NULL, "
        "PRIMARY KEY (entity, name, row, subject, time_ns)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX waiting_truths_due ON waiting_truths (entity, due_ns)")
    _create_windows(db)
    _create_chunks(db)


def _create_windows(db: Database) -> None:
    # AUTOINCREMENT, because the id of a window is the sequence of its sample, which outlives it.
    db.execute(
        "CREATE TABLE judged_windows (id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, "
        "start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, labels TEXT NOT NULL, "
        "definition TEXT NOT NULL, labelled INTEGER NOT NULL, lags TEXT NOT NULL, "
        "payload BLOB NOT NULL, crc INTEGER NOT NULL, series INTEGER NOT NULL, "
        "received_ns INTEGER NOT NULL) STRICT"
    )
    db.table("judged_windows").create_index(["entity", "start_ns", "end_ns", "labels"], unique=True)
    db.table("judged_windows").create_index(["end_ns"])


def _create_chunks(db: Database) -> None:
    db.table("truth_chunks").create(
        {
            "entity": str,
            "source": bytes,
            "number": int,
            "position": int,
            "counts": str,
            "received_ns": int,
        },
        pk=("entity", "source", "number"),
        not_null={"position", "counts", "received_ns"},
        strict=True,
    )
    db.table("truth_totals").create(
        {"entity": str, "outcome": str, "rows": int},
        pk=("entity", "outcome"),
        not_null={"rows"},
        strict=True,
    )
