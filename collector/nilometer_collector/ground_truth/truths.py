"""Rows of ground truth, and what became of them.

Rows are structures that the garbage collector does not visit, because a join makes several for each of
fifty thousand labels a second.
"""

import math
from enum import Enum
from typing import NamedTuple, TypeAlias

import msgspec

from nilometer.profile.performance.classified import class_name
from nilometer.sketch.exact import MAX_FACTOR
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.limits.bounds import MAX_NAME_BYTES, has_control

MAX_LIST = 1000  # most items of a ranked list
_NUMBERS = msgspec.json.Decoder(list[float])


class Outcome(Enum):
    """What became of a row of ground truth. The values appear in answers and metrics."""

    JOINED = "joined"  # its prediction is judged now
    REPEATED = "repeated"  # this label was known already; nothing changed
    CORRECTED = "corrected"  # it replaced another label
    WAITING = "waiting"  # its prediction is not in the log yet
    UNKNOWN = "unknown"  # its prediction did not arrive in time
    AMBIGUOUS = "ambiguous"  # several predictions match it
    EXPIRED = "expired"  # its prediction is no longer in the log
    OUTDATED = "outdated"  # a label that was known later is stored
    CONTRADICTORY = "contradictory"  # the same source has another label for the prediction
    WRONG_TYPE = "wrong_type"  # the value is not of the task's type
    WRONG_CLASS = "wrong_class"  # the class is not one of the definition's classes
    MALFORMED = "malformed"  # it has no id or subject, no usable time, or no value
    FROM_FUTURE = "from_future"  # it became known at a time that is too far in the future
    TOO_MANY_WAITING = "too_many_waiting"  # no more rows may wait for predictions

    __hash__ = object.__hash__  # as fast as that of a plain object, because each row is counted


REFUSED = tuple(Outcome)[4:]  # outcomes of rows that are not used


class PredictionKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """The identity of a logged prediction of an entity.

    Attributes:
        name: Prediction id; the subject of a prediction without an id.
        row: Index of the row in its request.
        time_ns: Event time of a prediction without an id, Unix nanoseconds; 0 with an id.
    """

    name: str
    row: int
    time_ns: int = 0


class Truth(msgspec.Struct, frozen=True, gc=False):
    """The ground truth of one prediction.

    Attributes:
        prediction_id: Id of the prediction; empty if `subject` and `time_ns` name it.
        row: Index of the row in its request.
        subject: Subject of the prediction; empty with an id.
        time_ns: Time for which the ground truth holds, Unix nanoseconds; 0 with an id.
        value: Canonical text of the value, made by `value_text`.
        known_ns: Time at which it became known; 0 if the source does not tell.
    """

    prediction_id: str
    row: int
    subject: str
    time_ns: int
    value: str
    known_ns: int


class KnownTruth(msgspec.Struct, frozen=True, gc=False):
    """The stored label of a prediction.

    Attributes:
        source: Number of the source that told it.
        window: Id of the performance window in which it is counted.
    """

    value: str
    known_ns: int
    source: int
    window: int


class Place(NamedTuple):
    """How a row names its prediction: by id and row, or by subject and time."""

    prediction_id: str
    row: int
    subject: str
    time_ns: int


class ToldTruth(msgspec.Struct, frozen=True, gc=False):
    """A row of ground truth with its origin.

    Attributes:
        truth: Row.
        source: Number of the source that told it.
        arrived_ns: Wall time of its arrival.
    """

    truth: Truth
    source: int
    arrived_ns: int

    @property
    def place(self) -> Place:
        """How it names its prediction."""
        truth = self.truth
        return Place(truth.prediction_id, truth.row, truth.subject, truth.time_ns)


TruthValue: TypeAlias = str | float | bool | list[float] | None


def value_text(definition: PerformanceDefinition, value: object) -> str | Outcome:
    """Return the canonical text of a value, or why it cannot be used. Equal values have equal texts.

    Args:
        definition: What is judged.
        value: Class, number, or list of relevances in the order of their ranks. A text may contain
            a number or a JSON list, as in CSV files.
    """
    if value is None or value == "":
        return Outcome.MALFORMED
    if definition.has_classes:
        return _class_text(definition, value)
    if definition.task == "ranking":
        return _list_text(value)
    return _number_text(value)


def number_of(text: str) -> float:
    """Return the number in a canonical text; NaN if it is of another task."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def relevances_of(text: str) -> list[float]:
    """Return the list in a canonical text; an empty one if it is of another task."""
    try:
        return _NUMBERS.decode(text)
    except msgspec.MsgspecError:
        return []


def _class_text(definition: PerformanceDefinition, value: object) -> str | Outcome:
    if not isinstance(value, str | int | float):
        return Outcome.WRONG_TYPE
    name = class_name(value)
    if name is None:
        return Outcome.MALFORMED
    if len(name.encode()) > MAX_NAME_BYTES or has_control(name):
        return Outcome.WRONG_TYPE
    if definition.allowed and name not in definition.allowed:
        return Outcome.WRONG_CLASS
    return name


def _number_text(value: object) -> str | Outcome:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return Outcome.WRONG_TYPE
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return Outcome.WRONG_TYPE
    return repr(number) if abs(number) <= MAX_FACTOR / 2 else Outcome.WRONG_TYPE


def _list_text(value: object) -> str | Outcome:
    try:
        found = (
            _NUMBERS.decode(value)
            if isinstance(value, str)
            else msgspec.convert(value, list[float])
        )
    except (msgspec.MsgspecError, ValueError):
        return Outcome.WRONG_TYPE
    if not 1 <= len(found) <= MAX_LIST or not all(0 <= one <= 1e9 for one in found):
        return Outcome.WRONG_TYPE
    if not all(math.isfinite(one) for one in found):
        return Outcome.WRONG_TYPE
    return msgspec.json.encode(found).decode()
