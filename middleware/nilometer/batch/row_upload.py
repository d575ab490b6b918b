"""Ships the numbered rows of a file to the collector; a repeated upload stores nothing twice.

The epoch is a digest of the file, and the sequences number its rows. So a collector that already
has a row acknowledges it and stores nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nilometer.batch.collector_calls import CollectorCalls
from nilometer.values.errors import BatchRejected
from nilometer.values.senders import TABLES
from nilometer.wire.services import Row, ShipRequest

MAX_ROWS = 500  # rows in one call
MAX_BYTES = 1 << 20  # size of the rows in one call
EPOCH_BYTES = 16
_READ_BYTES = 1 << 20


def epoch_of_file(path: Path, told: bytes) -> bytes:
    """Return a digest of *told* and of the file's content, 16 bytes."""
    digest = hashlib.blake2b(told, digest_size=EPOCH_BYTES)
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.digest()


def ship_rows(calls: CollectorCalls, epoch: bytes, rows: Iterable[Row]) -> Iterator[int]:
    """Ship *rows*, a batch at a time; yield the number of rows after each acknowledged batch.

    Args:
        calls: Calls to the collector.
        epoch: Digest of the file.
        rows: Rows by ascending sequence.

    Raises:
        CollectorUnavailable: If the collector does not answer.
        BatchRejected: If the collector refuses a row; the others of its batch are stored.
    """
    for batch in _batches(rows):
        _ship(calls, epoch, batch)
        yield len(batch)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each call, at most `MAX_ROWS` and about `MAX_BYTES`."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and (len(batch) >= MAX_ROWS or size + row.ByteSize() > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.ByteSize()
    if batch:
        yield batch


def _ship(calls: CollectorCalls, epoch: bytes, batch: list[Row]) -> None:
    """Send one batch; all rows before it were acknowledged."""
    request = ShipRequest(agent=TABLES, epoch=epoch, oldest_held=batch[0].sequence, rows=batch)
    reply = calls.call(calls.stub.Ship, request, "samples")
    if reply.rejected:
        summaries = {row.sequence: row.sample.summary for row in batch}
        first = reply.rejected[0]
        raise BatchRejected(
            f"the collector rejected {len(reply.rejected)} samples, the first of "
            f"{summaries[first.sequence]}: {first.reason}"
        )
