"""Batches of logged predictions as MessagePack bytes, column by column.

All rows of a batch belong to one entity and have the same columns. So a column's name is stored
once, and a row costs little more than its values. The bytes are untrusted: `batch_from_bytes` checks
types and lengths, and `checks.faults_in` checks each row.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from nilometer.predictions.record import PredictionRecord, Scalar
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels

VERSION = 1
MAX_ROWS = 4096  # most rows in one batch

Columns = dict[str, list[Scalar]]


class BatchUnreadable(NilometerError):
    """The bytes are not a batch of predictions that this version can read."""


class PredictionBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Predictions of one entity with the same columns, as columns of length n.

    Attributes:
        version: Version of this form.
        entity: Name of the monitored entity.
        ids: Prediction id of each group of consecutive rows.
        lengths: Number of rows of each group; their sum is n.
        rows: Index of each row in its request.
        first_ns: Event time from which `after_ns` counts, Unix nanoseconds.
        after_ns: Event time of each row, nanoseconds after `first_ns`; may be negative.
        label_sets: Distinct label sets.
        places: Position of each row's label set in `label_sets`; empty if all have the first.
        subjects: Subject of each row; empty if no row has a subject.
        outputs: Values of each output column.
        inputs: Values of each input column.
    """

    entity: str
    ids: list[str]
    lengths: list[int]
    rows: list[int]
    first_ns: int
    after_ns: list[int]
    label_sets: list[dict[str, str]]
    outputs: Columns
    places: list[int] = []
    subjects: list[str] = []
    inputs: Columns = {}
    version: int = VERSION

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> Iterator[PredictionRecord]:
        """Yield the record of each row, in order.

        Raises:
            ConfigError: If a label set is not allowed.
        """
        labels = [Labels.of(one) for one in self.label_sets]
        ids = [
            one for one, length in zip(self.ids, self.lengths, strict=True) for _ in range(length)
        ]
        outputs, inputs = _rows_of(self.outputs, len(self)), _rows_of(self.inputs, len(self))
        for at, row in enumerate(self.rows):
            yield PredictionRecord(
                entity=self.entity,
                prediction_id=ids[at],
                row=row,
                time_ns=self.first_ns + self.after_ns[at],
                labels=labels[self.places[at] if self.places else 0],
                outputs=outputs[at],
                subject=self.subjects[at] if self.subjects else "",
                inputs=inputs[at],
            )


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PredictionBatch)


def batches_of(
    records: Iterable[PredictionRecord], most_rows: int = MAX_ROWS
) -> list[PredictionBatch]:
    """Return *records* as batches, each of one entity, one set of columns and at most *most_rows*."""
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[PredictionRecord]] = {}
    for record in records:
        key = (record.entity, tuple(record.outputs), tuple(record.inputs))
        groups.setdefault(key, []).append(record)
    return [
        _batch(group[start : start + most_rows])
        for group in groups.values()
        for start in range(0, len(group), most_rows)
    ]


def batch_to_bytes(batch: PredictionBatch) -> bytes:
    """Return *batch* as MessagePack bytes."""
    return _ENCODER.encode(batch)


def batch_from_bytes(content: bytes) -> PredictionBatch:
    """Return the batch in *content*, whose columns have equal lengths.

    Raises:
        BatchUnreadable: If the bytes are not such a batch.
    """
    try:
        batch = _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BatchUnreadable(f"not a batch of predictions: {error}") from error
    if batch.version != VERSION:
        raise BatchUnreadable(f"batch of predictions has version {batch.version}, not {VERSION}")
    count = len(batch)
    if not 0 < count <= MAX_ROWS:
        raise BatchUnreadable(f"batch of predictions has {count} rows, must have 1 to {MAX_ROWS}")
    optional = (one for one in (batch.places, batch.subjects) if one)
    columns = (batch.after_ns, *optional, *batch.outputs.values(), *batch.inputs.values())
    if any(len(column) != count for column in columns):
        raise BatchUnreadable("batch of predictions has columns of different lengths")
    if (
        len(batch.ids) != len(batch.lengths)
        or any(length < 1 for length in batch.lengths)
        or sum(batch.lengths) != count
    ):
        raise BatchUnreadable("batch of predictions has ids of other rows")
    if not batch.label_sets or not all(0 <= at < len(batch.label_sets) for at in batch.places):
        raise BatchUnreadable("batch of predictions names a label set that it does not have")
    return batch


def _batch(records: Sequence[PredictionRecord]) -> PredictionBatch:
    """Return the batch of *records*, which have one entity and the same columns."""
    first = records[0]
    sets = {record.labels: None for record in records}
    position = {labels: at for at, labels in enumerate(sets)}
    grouped = [(one, len([*rows])) for one, rows in groupby(records, _id_of)]
    has_subjects = any(record.subject for record in records)
    return PredictionBatch(
        entity=first.entity,
        ids=[one for one, _ in grouped],
        lengths=[length for _, length in grouped],
        rows=[record.row for record in records],
        first_ns=first.time_ns,
        after_ns=[record.time_ns - first.time_ns for record in records],
        label_sets=[labels.as_dict() for labels in sets],
        places=[position[record.labels] for record in records] if len(sets) > 1 else [],
        subjects=[record.subject for record in records] if has_subjects else [],
        outputs={name: [record.outputs[name] for record in records] for name in first.outputs},
        inputs={name: [record.inputs[name] for record in records] for name in first.inputs},
    )


def _id_of(record: PredictionRecord) -> str:
    return record.prediction_id


def _rows_of(columns: Columns, count: int) -> list[dict[str, Scalar]]:
    """Return the values of each of *count* rows by column."""
    if not columns:
        return [{}] * count
    names = tuple(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
