"""Lists the queue of notifications in PostgreSQL, with the attempts at each message."""

from collections.abc import Collection

from nilometer_collector.store.delivering import MOST_DELIVERIES
from nilometer_collector.store.delivery_records import AttemptRecord, DeliveryRecord
from nilometer_collector.store.postgresql.arrays import as_array
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.rows import delivery_of

_RECORDS = """
SELECT d.id, d.channel, d.key, d.entity, t.episode, t.status, d.acknowledged, d.created_ns,
       d.delivered_ns, d.refused_ns, d.withheld_ns, d.attempts, d.last_failure,
       d.action_turn
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE (%(channel)s::text IS NULL OR d.channel = %(channel)s)
  AND (%(entity)s::text IS NULL OR d.entity = %(entity)s)
  AND (%(among)s::text[] IS NULL OR d.entity = ANY(%(among)s))
ORDER BY d.id DESC LIMIT %(limit)s
"""
_ATTEMPTS = """
SELECT key, at_ns, outcome, reason FROM attempts WHERE key = ANY(%(keys)s::text[]) ORDER BY id
"""


def read_deliveries(
    session: Session, channel: str | None, entity: str | None, among: Collection[str] | None
) -> list[DeliveryRecord]:
    """Read the newest `MOST_DELIVERIES` deliveries, newest first, with their attempts."""
    rows = session.rows(
        _RECORDS,
        {
            "channel": channel,
            "entity": entity,
            "among": as_array(among),
            "limit": MOST_DELIVERIES,
        },
    )
    attempts: dict[str, list[AttemptRecord]] = {}
    for key, *attempt in session.rows(_ATTEMPTS, {"keys": [row[2] for row in rows]}):
        attempts.setdefault(key, []).append(AttemptRecord(*attempt))
    return [delivery_of(row, attempts.get(row[2], ())) for row in rows]
