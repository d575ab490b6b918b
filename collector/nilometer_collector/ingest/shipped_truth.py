"""Ground truth that agents ship: what they received as feedback."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from nilometer.predictions import ground_truth_from_bytes
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import NilometerError
from nilometer.wire.services import Row, ShipReply
from nilometer_collector.counters import Counters
from nilometer_collector.errors import Refused, StoreUnavailable
from nilometer_collector.ground_truth.reading import TruthRow
from nilometer_collector.received_truth import receive
from nilometer_collector.store import MOST_ROWS, Store

SOURCE_BYTES = 16


class Place(NamedTuple):
    """Where ground truth comes from: the epoch of an agent's outbox, a sequence in it, an entity."""

    epoch: bytes
    sequence: int
    entity: str


def rows_of(row: Row) -> list[TruthRow]:
    """Return the ground truth in *row*.

    Raises:
        BatchUnreadable: If its bytes are not rows of ground truth.
        Refused: If it has too many rows, or predictions as well.
    """
    batch = row.predictions
    if batch.content:
        raise Refused("the batch has predictions and ground truth: must have one of them")
    rows = ground_truth_from_bytes(batch.ground_truth)
    if len(rows) > MOST_ROWS:
        raise Refused(
            f"the batch has {len(rows)} rows of ground truth: must be at most {MOST_ROWS}"
        )
    return [
        TruthRow(
            value=float(one.value) if type(one.value) is int else one.value,
            id=one.prediction_id,
            row=one.row,
            known=one.known_ns / NANOSECONDS if one.known_ns else None,
        )
        for one in rows
    ]


def known_ns_of(row: TruthRow) -> int:
    """Return the time at which a shipped *row* became known, Unix nanoseconds; 0 without one."""
    return round(row.known * NANOSECONDS) if isinstance(row.known, float) else 0


def join_shipped(
    store: Store,
    counters: Counters,
    place: Place,
    rows: Sequence[TruthRow],
    reply: ShipReply,
    now_ns: int,
    latest_ns: int,
) -> None:
    """Join *rows* of ground truth, once however often they are shipped.

    Each row is a source of its own, so that later feedback may correct earlier feedback. Ground truth
    of an entity whose performance nobody has declared, or is declared in a form that this collector
    cannot read, is listed in *reply*, and left out: it must not hold up other rows.

    Raises:
        StoreUnavailable: If the database fails; the agent ships the row again.
    """
    name = place.epoch + place.sequence.to_bytes(8, "big")
    source = blake2b(name, digest_size=SOURCE_BYTES).digest()
    try:
        receive(store, counters, place.entity, rows, now_ns, latest_ns, source=source)
    except StoreUnavailable:
        raise
    except (NilometerError, msgspec.MsgspecError, ValueError) as error:
        reply.refused_predictions.add(sequence=place.sequence, rows=len(rows), reason=str(error))
