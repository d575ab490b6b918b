"""Tables of logged predictions in SQLite, for the migration `create_predictions`. Never change them."""

from sqlite_utils import Database


def create_prediction_tables(db: Database) -> None:
    """Create predictions, their shapes, and their number by entity and day of arrival.

    A shape is what many rows share: entity, label set and names of columns. Rows are numbered by
    arrival, so that old rows are next to each other. The indexes hold hashes of ids and of subjects,
    never the texts; a row without a subject has 0 there.
    """
    db.table("prediction_shapes").create(
        {"id": int, "digest": bytes, "entity": str, "content": str},
        pk="id",
        not_null={"digest", "entity", "content"},
        strict=True,
    )
    db.table("prediction_shapes").create_index(["digest"], unique=True)
    columns = {
        "key": int,
        "subject_key": int,
        "row": int,
        "time_ns": int,
        "day": int,
        "shape": int,
        "ambiguous": int,
        "crc": int,
        "payload": bytes,
    }
    db.table("predictions").create(
        {"number": int, **columns}, pk="number", not_null=set(columns), strict=True
    )
    db.table("predictions").create_index(["key"])
    db.execute(
        "CREATE INDEX predictions_subject ON predictions (subject_key, time_ns) WHERE subject_key <> 0"
    )
    db.table("prediction_days").create(
        {"entity": str, "day": int, "rows": int, "bytes": int, "ambiguous": int},
        pk=("entity", "day"),
        not_null={"rows", "bytes", "ambiguous"},
        strict=True,
    )
