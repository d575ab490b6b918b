"""Joins ground truth that arrived over HTTP or from an agent with logged predictions."""

from collections.abc import Sequence

from nilometer.values.time_zone import zone_named
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.ground_truth.reading import TruthRow, read_rows
from nilometer_collector.ground_truth.truths import REFUSED
from nilometer_collector.query.definitions import performance_of
from nilometer_collector.store import ChunkAnswer, Store, TruthChunk


def receive(
    store: Store,
    counters: Counters,
    entity: str,
    rows: Sequence[TruthRow],
    now_ns: int,
    latest_ns: int,
    *,
    source: bytes | None = None,
    number: int = 1,
    position: int = 0,
) -> ChunkAnswer:
    """Join *rows*, and count them once.

    Args:
        store: Store of the predictions.
        counters: Counters of used and refused rows.
        entity: Name of the monitored entity.
        rows: Rows as they were sent, at most `MOST_ROWS`.
        now_ns: Wall time, Unix nanoseconds.
        latest_ns: Latest time at which a row may have become known, Unix nanoseconds.
        source: Name of the sender or the file, 16 bytes; None if a repetition is not recognised.
        number: Number of the chunk in its source, from 1.
        position: Place in the source after the chunk.

    Raises:
        Conflict: If nobody has declared how the predictions are judged.
        StoreUnavailable: If the database fails. The rows are safe to send again with a source.
    """
    definition = performance_of(store, entity)
    declared = store.entities.read(entity)
    zone = zone_named("" if declared is None else declared.declaration.time_zone)
    usable, refused = read_rows(rows, definition, zone, latest_ns)
    chunk = TruthChunk(
        entity=entity,
        source=source,
        number=number,
        position=position,
        rows=usable,
        refused=refused,
    )
    answer = store.truths.join(chunk, definition, now_ns)
    if not answer.is_repeated:
        unused = sum(answer.counts.get(outcome, 0) for outcome in REFUSED)
        counters.add(Counter.LABELS_REFUSED, unused)
        counters.add(Counter.LABELS_USED, sum(answer.counts.values()) - unused)
    return answer
