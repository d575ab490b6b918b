"""Imports an export: ships the sample of each row to a collector, once however often it is repeated."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from nilometer.batch.collector_calls import CollectorCalls
from nilometer.batch.exported import samples_of, store_of
from nilometer.batch.row_upload import epoch_of_file, ship_rows
from nilometer.values.errors import ConfigError
from nilometer.values.senders import TABLES
from nilometer.values.store_name import store_name
from nilometer.wire.samples import message_from_bytes
from nilometer.wire.services import GetPlanRequest, Row

_TOLD = b"import"  # so that a table that is logged has another epoch


def import_history(path: Path, calls: CollectorCalls, *, is_added: bool = False) -> Iterator[int]:
    """Store the samples of *path*; yield the number of rows after each acknowledged batch.

    Args:
        path: Parquet file of an export.
        calls: Calls to the collector.
        is_added: Whether to store the samples also at the store they were exported from, or at one
            of its backups, where they would be counted twice.

    Raises:
        ConfigError: If the file cannot be read, is not an export, or comes from this store.
        CollectorUnavailable: If the collector does not answer.
        BatchRejected: If the collector refuses the caller or a sample.
    """
    try:
        epoch = epoch_of_file(path, _TOLD)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if not is_added:
        _require_another_store(path, calls)
    yield from ship_rows(calls, epoch, _rows(path, samples_of(path)))


def _require_another_store(path: Path, calls: CollectorCalls) -> None:
    store = store_of(path)
    if not store:
        return
    plan = calls.call(calls.stub.GetPlan, GetPlanRequest(agent=TABLES), "request for the plan")
    if store == store_name(plan.names_key):
        raise ConfigError(
            f"{path}: was exported from this store, or from a backup of it: an import would count "
            "its samples twice; use --add for samples that the store has lost"
        )


def _rows(path: Path, samples: Iterable[bytes]) -> Iterator[Row]:
    for sequence, packed in enumerate(samples, start=1):
        try:
            yield Row(sequence=sequence, sample=message_from_bytes(packed))
        except ValueError as error:
            raise ConfigError(f"{path}: row {sequence}: {error}") from error
