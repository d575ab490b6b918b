"""Tables of alerters, their states, episodes, and the queue of notifications."""

from sqlite_utils import Database


def create_alerters(db: Database) -> None:
    """Alerters. A deleted alerter keeps its row, so that late evaluations do not revive it."""
    columns = {
        "entity": str,
        "name": str,
        "origin": str,
        "deleted": int,
        "updated_ns": int,
        "payload": bytes,
    }
    db.table("alerters").create({"id": int, **columns}, pk="id", not_null=set(columns), strict=True)
    db.table("alerters").create_index(["entity", "name"], unique=True)


def create_episodes(db: Database) -> None:
    """The state of each agent for each alerter, and the history of episodes."""
    _create_alert_states(db)
    _create_episodes(db)
    _create_transitions(db)


def _create_alert_states(db: Database) -> None:
    db.table("alert_states").create(
        {
            "entity": str,
            "alerter": str,
            "summary": str,
            "labels": str,
            "agent": str,
            "status": str,
            "breaches": int,
            "fines": int,
            "since_ns": int,
            "last_end_ns": int,
            "received_ns": int,
        },
        pk=("entity", "alerter", "summary", "labels", "agent"),
        strict=True,
    )


def _create_episodes(db: Database) -> None:
    db.table("episodes").create(
        {
            "id": int,
            "entity": str,
            "alerter": str,
            "summary": str,
            "labels": str,
            "opened_ns": int,
            "since_ns": int,
            "closed_ns": int,
            "worst": float,
            "rule": bytes,
            "reference_digest": str,
            "evidence": str,
        },
        pk="id",
        not_null={
            "entity",
            "alerter",
            "summary",
            "labels",
            "opened_ns",
            "since_ns",
            "worst",
            "rule",
        },
        strict=True,
    )
    db.table("episodes").create_index(["entity", "opened_ns"])
    db.execute(
        "CREATE UNIQUE INDEX idx_episodes_open ON episodes (entity, alerter, summary, labels)"
        " WHERE closed_ns IS NULL"
    )


def _create_transitions(db: Database) -> None:
    db.table("transitions").create(
        {
            "id": int,
            "episode": int,
            "status": str,
            "at_ns": int,
            "window_start_ns": int,
            "recorded_ns": int,
            "value": float,
            "evidence": str,
            "rule": bytes,
            "reference_digest": str,
        },
        pk="id",
        not_null={"episode", "status", "at_ns", "value", "rule"},
        strict=True,
    )
    db.table("transitions").create_index(["episode"])


def create_deliveries(db: Database) -> None:
    """The queue of notifications: one row for each pair of transition and channel."""
    db.table("deliveries").create(
        {
            "id": int,
            "transition": int,
            "channel": str,
            "key": str,
            "created_ns": int,
            "attempts": int,
            "delivered_ns": int,
            "refused_ns": int,
            "last_failure": str,
        },
        pk="id",
        not_null={"transition", "channel", "key", "created_ns", "attempts"},
        strict=True,
    )
    db.table("deliveries").create_index(["transition", "channel"], unique=True)
    db.execute(
        "CREATE INDEX idx_deliveries_waiting ON deliveries (channel, id)"
        " WHERE delivered_ns IS NULL AND refused_ns IS NULL"
    )
