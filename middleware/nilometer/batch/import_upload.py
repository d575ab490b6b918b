"""Imports an export: ships the sample of each row to a collector, once however often it is repeated."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from nilometer.batch.collector_calls import CollectorCalls
from nilometer.batch.exported import samples_of
from nilometer.batch.row_upload import epoch_of_file, ship_rows
from nilometer.values.errors import ConfigError
from nilometer.wire.samples import message_from_bytes
from nilometer.wire.services import Row

_TOLD = b"import"  # so that a table that is logged has another epoch


def import_history(path: Path, calls: CollectorCalls) -> Iterator[int]:
    """Store the samples of *path*; yield the number of rows after each acknowledged batch.

    Raises:
        ConfigError: If the file cannot be read, or is not an export.
        CollectorUnavailable: If the collector does not answer.
        BatchRejected: If the collector refuses the caller or a sample.
    """
    try:
        epoch = epoch_of_file(path, _TOLD)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    yield from ship_rows(calls, epoch, _rows(path, samples_of(path)))


def _rows(path: Path, samples: Iterable[bytes]) -> Iterator[Row]:
    for sequence, packed in enumerate(samples, start=1):
        try:
            yield Row(sequence=sequence, sample=message_from_bytes(packed))
        except ValueError as error:
            raise ConfigError(f"{path}: row {sequence}: {error}") from error
