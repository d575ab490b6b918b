"""What both databases store of a logged prediction, and which rows of a shipment are new.

A row's key is a hash of its entity and prediction id, because an index over whole numbers is a
fraction of one over ids, and fits into memory for ten million rows. Readers compare the id, too. The
columns of a row, its labels and its entity are stored once for all rows that share them, as a shape.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple, TypeAlias

import msgspec

from nilometer.predictions import NO_VALUES, PredictionRecord, Scalar
from nilometer.values.labels import Labels
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import Outcome, PredictionKey
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.prediction_records import Logged, Predicted
from nilometer_collector.store.texts import check_texts

NO_KEY = 0  # key of a row without a subject
TABLE = "predictions"
JOINED: LiteralString = "number, row, time_ns, shape, ambiguous, crc, payload"  # of `by_key`

EntityOf: TypeAlias = Callable[[int], str]  # entity of a shape
_Content: TypeAlias = tuple[int, int, int, bytes]  # row, time, shape and payload
Counted: TypeAlias = dict[tuple[str, int], tuple[int, int, int]]  # by entity and day of arrival


class Shape(NamedTuple):
    """What many rows share."""

    entity: str
    labels: Labels
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The shape as canonical JSON."""
        return json.dumps([self.labels.pairs, self.outputs, self.inputs], separators=(",", ":"))

    @property
    def digest(self) -> bytes:
        """SHA-256 of the shape, because an index cannot hold long texts."""
        return hashlib.sha256(f"{self.entity}\n{self.text}".encode()).digest()

    @classmethod
    def from_text(cls, entity: str, text: str) -> "Shape":
        """Return the shape with this `text`."""
        pairs, outputs, inputs = json.loads(text)
        return cls(entity, Labels(tuple(map(tuple, pairs))), tuple(outputs), tuple(inputs))


class StoredRow(NamedTuple):
    """One row in the order of the columns of both databases.

    Attributes:
        number: Number of the row in the store, ascending by arrival; 0 for a new row.
        key: Hash of entity and prediction id; without an id, of entity, subject and time.
        subject_key: Hash of entity and subject; `NO_KEY` without a subject.
        row: Index of the row in its request.
        time_ns: Event time, Unix nanoseconds.
        day: Day of arrival in UTC, counted from 1970.
        shape: Id of the shape.
        ambiguous: 1 if the id was used for different predictions; else 0.
        crc: Checksum of the payload.
        payload: Id, subject, outputs and inputs as MessagePack.
    """

    number: int
    key: int
    subject_key: int
    row: int
    time_ns: int
    day: int
    shape: int
    ambiguous: int
    crc: int
    payload: bytes


class _Payload(msgspec.Struct, array_like=True, frozen=True, gc=False):
    prediction_id: str
    subject: str
    outputs: tuple[Scalar, ...]
    inputs: tuple[Scalar, ...]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Payload).decode
_DECODE_PARTS = msgspec.msgpack.Decoder(
    tuple[str, str, tuple[Scalar, ...], tuple[Scalar, ...]]
).decode


@lru_cache(maxsize=20_000)  # a join of ground truth asks for each id several times
def key_of(entity: str, text: str) -> int:
    """Return a hash of *entity* and *text* as a signed 64-bit integer; `NO_KEY` for no text."""
    if not text:
        return NO_KEY
    hashed = hashlib.blake2b(f"{entity}\0{text}".encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True) or 1


def shapes_in(records: Iterable[PredictionRecord]) -> set[Shape]:
    """Return the distinct shapes of *records*."""
    return {
        Shape(record.entity, record.labels, tuple(record.outputs), tuple(record.inputs))
        for record in records
    }


def pack(
    records: Sequence[PredictionRecord], shapes: Mapping[Shape, int], day: int
) -> list[StoredRow]:
    """Return *records* as rows that arrive on *day*.

    Raises:
        Refused: If an id or a subject contains NUL or a lone surrogate.
    """
    packed = []
    for record in records:
        entity, outputs, inputs = record.entity, record.outputs, record.inputs
        prediction_id, subject = record.prediction_id, record.subject
        check_texts((prediction_id, subject))
        payload = _ENCODE((prediction_id, subject, [*outputs.values()], [*inputs.values()]))
        packed.append(
            StoredRow(
                number=0,
                key=key_of(entity, prediction_id or f"\0{subject}\0{record.time_ns}"),
                subject_key=key_of(entity, subject),
                row=record.row,
                time_ns=record.time_ns,
                day=day,
                shape=shapes[Shape(entity, record.labels, tuple(outputs), tuple(inputs))],
                ambiguous=0,
                crc=checksum(payload),
                payload=payload,
            )
        )
    return packed


def unpack(
    rows: Iterable[StoredRow], shapes: Mapping[int, Shape]
) -> Iterator[tuple[StoredRow, PredictionRecord]]:
    """Yield each intact row with its record; log the others."""
    for row in rows:
        if not intact(TABLE, row.number, row.payload, row.crc):
            continue
        content = _DECODE(row.payload)
        shape = shapes[row.shape]
        names = shape.inputs
        yield (
            row,
            PredictionRecord(
                entity=shape.entity,
                prediction_id=content.prediction_id,
                row=row.row,
                time_ns=row.time_ns,
                labels=shape.labels,
                outputs=dict(zip(shape.outputs, content.outputs, strict=True)),
                subject=content.subject,
                inputs=dict(zip(names, content.inputs, strict=True)) if names else NO_VALUES,
            ),
        )


def by_id(
    entity: str, ids: Iterable[str], found: Iterable[tuple[StoredRow, PredictionRecord]]
) -> dict[str, Logged]:
    """Return the predictions of *entity* with *ids*; *found* may have others of an equal key."""
    asked = set(ids)
    grouped: dict[str, list[PredictionRecord]] = {}
    ambiguous = set()
    for row, record in found:
        if record.prediction_id in asked and record.entity == entity:
            grouped.setdefault(record.prediction_id, []).append(record)
            if row.ambiguous:
                ambiguous.add(record.prediction_id)
    for records in grouped.values():
        if len(records) > 1:
            records.sort(key=lambda record: record.row)
    return {
        one: Logged(tuple(records), is_ambiguous=one in ambiguous)
        for one, records in grouped.items()
    }


def by_key(
    entity: str,
    keys: Collection[PredictionKey],
    rows: Iterable[Sequence[Any]],
    shapes: Mapping[int, Shape],
) -> dict[PredictionKey, Found]:
    """Return the predictions of *keys*, which have ids; those that are not in the log are left out.

    Args:
        entity: Name of the entity.
        keys: Identities of predictions.
        rows: Stored rows with the columns `JOINED`; they may have other ids of an equal hash.
        shapes: Shapes of the rows.
    """
    found: dict[PredictionKey, Found] = {}
    names = {key.name for key in keys}
    ambiguous = set()
    for number, row, time_ns, shape_id, is_ambiguous, crc, payload in rows:
        if not intact(TABLE, number, payload, crc):
            continue
        name, subject, outputs, _ = _DECODE_PARTS(payload)
        shape = shapes[shape_id]
        if name not in names or shape.entity != entity:
            continue
        if is_ambiguous:
            ambiguous.add(name)
        found[PredictionKey(name, row)] = PredictionRecord(
            entity=entity,
            prediction_id=name,
            row=row,
            time_ns=time_ns,
            labels=shape.labels,
            outputs=dict(zip(shape.outputs, outputs, strict=True)),
            subject=subject,
        )
    if ambiguous:
        found |= {key: Outcome.AMBIGUOUS for key in keys if key.name in ambiguous}
    return found


def by_subject(
    entity: str, subjects: Iterable[str], found: Iterable[tuple[StoredRow, PredictionRecord]]
) -> dict[str, list[PredictionRecord]]:
    """Return the predictions of *entity* about *subjects*, oldest event first."""
    asked = set(subjects)
    grouped: dict[str, list[PredictionRecord]] = {}
    for row, record in found:
        if record.subject in asked and record.entity == entity and not row.ambiguous:
            grouped.setdefault(record.subject, []).append(record)
    for records in grouped.values():
        records.sort(key=lambda record: (record.time_ns, record.prediction_id, record.row))
    return grouped


class Settled(NamedTuple):
    """The rows of a shipment that a store adds, and the stored rows that it marks.

    Attributes:
        new: Rows to add.
        marked: Numbers of stored rows whose id became ambiguous now.
        effect: Numbers for the sender.
    """

    new: list[StoredRow]
    marked: list[int]
    effect: Predicted


@dataclass(slots=True)
class _Prediction:
    """The rows of one prediction id, stored or arriving.

    Attributes:
        contents: Content of each row, by its index.
        numbers: Numbers of the stored rows without a mark.
        is_ambiguous: Whether any two contents of one row differ.
        was_ambiguous: Whether the stored rows have the mark.
    """

    contents: dict[int, _Content] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    is_ambiguous: bool = False
    was_ambiguous: bool = False


def settle(
    arriving: Sequence[StoredRow], stored: Iterable[StoredRow], entity_of: EntityOf
) -> Settled:
    """Decide which rows of a shipment are new.

    A row that is stored with the same content is a repetition, such as a resend of an agent whose
    outbox was replaced. A row with another content makes its id ambiguous; it is not stored. Rows
    without an id are only compared, because several predictions may be about one subject.

    Args:
        arriving: Rows of the shipment, in order.
        stored: Stored rows with a key of *arriving*.
        entity_of: Function that returns the entity of a shape.
    """
    predictions: dict[tuple[str, str], _Prediction] = {}
    without_id = set()
    for row in stored:
        prediction = _id_of(row, entity_of)
        if not prediction[1]:
            without_id.add(_content_of(row))
            continue
        one = predictions.setdefault(prediction, _Prediction())
        one.contents[row.row] = _content_of(row)
        if row.ambiguous:
            one.is_ambiguous = one.was_ambiguous = True
        else:
            one.numbers.append(row.number)
    new: list[tuple[StoredRow, _Prediction | None]] = []
    repeated = conflicting = 0
    for row in arriving:
        prediction, content = _id_of(row, entity_of), _content_of(row)
        if not prediction[1]:
            if content in without_id:
                repeated += 1
            else:
                without_id.add(content)
                new.append((row, None))
            continue
        one = predictions.setdefault(prediction, _Prediction())
        before = one.contents.setdefault(row.row, content)
        if before is content:
            new.append((row, one))
        elif before == content:
            repeated += 1
        else:
            conflicting += 1
            one.is_ambiguous = True
    turned = {
        key: one for key, one in predictions.items() if one.is_ambiguous and not one.was_ambiguous
    }
    return Settled(
        [row._replace(ambiguous=1) if one and one.is_ambiguous else row for row, one in new],
        [number for one in turned.values() for number in one.numbers],
        Predicted(len(new), repeated, conflicting, tuple(turned)),
    )


def counted(rows: Iterable[tuple[int, int, int, int]], entity_of: EntityOf) -> Counted:
    """Return rows, bytes and marked rows by (entity, day).

    Args:
        rows: Shape, day, size in bytes and mark of each row.
        entity_of: Function that returns the entity of a shape.
    """
    found: Counted = {}
    for shape, day, size, ambiguous in rows:
        key = entity_of(shape), day
        before = found.get(key, (0, 0, 0))
        found[key] = before[0] + 1, before[1] + size, before[2] + ambiguous
    return found


def is_of(row: StoredRow, *, prediction_ids: Collection[str] = (), subject: str = "") -> bool:
    """Return whether *row* has one of the ids, or the subject; a damaged row has whatever its key says."""
    try:
        content = _DECODE(row.payload)
    except msgspec.MsgspecError:
        return True
    return content.prediction_id in prediction_ids or bool(subject and content.subject == subject)


def names_of_labels(rows: Iterable[StoredRow], subject: str) -> set[str]:
    """Return the names by which labels of *rows*, which are about *subject*, are stored."""
    names = {subject}
    for row in rows:
        with suppress(msgspec.MsgspecError):
            names.add(_DECODE(row.payload).prediction_id)
    return names


def _id_of(row: StoredRow, entity_of: EntityOf) -> tuple[str, str]:
    return entity_of(row.shape), _DECODE(row.payload).prediction_id


def _content_of(row: StoredRow) -> _Content:
    return row.row, row.time_ns, row.shape, row.payload
