"""Makes the records of logged predictions from decoded observations of one entity."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import numpy as np

from nilometer.decode import Side
from nilometer.decode.columns import Column
from nilometer.predictions import PredictionRecord, Scalar, fault_in
from nilometer.predictions.checks import INTEGERS, MAX_TEXT_CHARACTERS
from nilometer.profiling.gathered import handed_over, side_of
from nilometer.profiling.observation import Observation
from nilometer.profiling.sides import Decoded
from nilometer.values.entity import Role, role_of
from nilometer.values.labels import Labels
from nilometer.values.redacted import REDACTED

_LEAST_INEXACT = 2.0**53
_TRACE_DIGITS = 32  # length of a W3C trace id

Columns = dict[str, list[Scalar]]


class LeftOut(Enum):
    """Reason why a prediction is not logged."""

    NO_KEY = "no_key"  # neither a prediction id nor a subject, so ground truth could not find it
    NO_OUTPUT = "no_output"  # the response has no columns
    NO_BODY = "no_body"  # the bodies were not kept, or were not decoded because of sampling
    NOT_ALLOWED = "not_allowed"  # beyond a bound, such as an id over 256 characters
    IN_PROCESS = "in_process"  # profiled in the server's process, which sends no columns


class PredictionLog:
    """Passes on one record for each row of each prediction of an entity.

    A column of vectors is left out. A redacted value, and a text over 1,024 characters, are missing.

    Args:
        entity: Name of the monitored entity.
        inputs: Names of the input columns to log.
        subject: Summary whose value is the subject, such as ``input.customer``; empty for none.
        add: Function that receives the records of a request.
        leave_out: Function that receives the reason and the number of rows that are not logged.
    """

    def __init__(
        self,
        entity: str,
        inputs: Sequence[str],
        subject: str,
        add: Callable[[Sequence[PredictionRecord]], None],
        leave_out: Callable[[LeftOut, int], None],
    ) -> None:
        self._entity = entity
        self._inputs = tuple(inputs)
        self._subject_role = role_of(subject)
        self._subject_name = subject.partition(".")[2]
        self._add = add
        self._leave_out = leave_out

    def observe(
        self,
        observation: Observation,
        decoded: Decoded | None,
        when: tuple[int, Labels],
        sides: tuple[Side, Side],
    ) -> None:
        """Make the records of one prediction.

        Args:
            observation: Request and response.
            decoded: Result of decoding them; None if they were not decoded.
            when: Event time in Unix nanoseconds, and labels of the sample.
            sides: Columns of the request and of the response, before any name is refused.
        """
        if decoded is None:
            self._leave_out(LeftOut.NO_BODY, 1)
            return
        inputs, outputs = sides
        predicted = _outputs_of(outputs, observation.values)
        rows = max(map(len, predicted.values()), default=0)
        if not rows:
            self._leave_out(LeftOut.NO_OUTPUT, 1)
            return
        event_ns, labels = when
        subjects = self._subjects(inputs, predicted, rows)
        prediction_id = decoded.prediction_id or observation.prediction_id
        if not prediction_id and not any(subjects):
            prediction_id = _trace_of(observation.trace_parent)
        chosen = _fitted({name: inputs.column(name) for name in self._inputs}, rows)
        records = []
        for row in range(rows):
            record = PredictionRecord(
                entity=self._entity,
                prediction_id=prediction_id,
                row=row,
                time_ns=event_ns,
                labels=labels,
                outputs={name: cells[row] for name, cells in predicted.items()},
                subject=subjects[row],
                inputs={name: cells[row] for name, cells in chosen.items()},
            )
            if not prediction_id and not record.subject:
                self._leave_out(LeftOut.NO_KEY, 1)
            elif fault_in(record):
                self._leave_out(LeftOut.NOT_ALLOWED, 1)
            else:
                records.append(record)
        self._add(records)

    def _subjects(self, inputs: Side, predicted: Columns, rows: int) -> list[str]:
        """Return the subject of each row; a single one is that of all rows."""
        name = self._subject_name
        match self._subject_role:
            case Role.INPUT:
                found = _fitted({name: inputs.column(name)}, rows)
            case Role.OUTPUT:
                found = {name: predicted[name]} if name in predicted else {}
            case _:
                found = {}
        return [_text_of(cell) for cell in found.get(name, [None] * rows)]


def _outputs_of(outputs: Side, values: bytes) -> Columns:
    """Return the output columns of one request, with those that the application logged."""
    columns: dict[str, Column] = dict(outputs.columns(set()))
    for name, cells, _ in handed_over(values) if values else ():
        role, field = side_of(name)
        if role is Role.OUTPUT:
            columns.setdefault(field, cells)
    return _fitted(columns, max(map(len, columns.values()), default=0))


def _fitted(columns: Mapping[str, Column], rows: int) -> Columns:
    """Return the columns of scalars with a value for each of *rows*; a single value is repeated."""
    found = {}
    for name, column in columns.items():
        cells = column.tolist() if isinstance(column, np.ndarray) else [*column]
        if len(cells) == 1 < rows:
            cells *= rows
        if len(cells) == rows and not any(map(_is_other, cells)):
            found[name] = [scalar(cell) for cell in cells]
    return found


def _is_other(cell: object) -> bool:
    """Return whether *cell* is a vector, a map or bytes."""
    return isinstance(cell, list | tuple | dict | bytes | np.ndarray)


def scalar(cell: object) -> Scalar:
    """Return *cell* as it is logged.

    Returns:
        An integer over 64 bits as the nearest float. None for a redacted value, a long text, an integer
        that no float can hold, and anything that is no scalar.
    """
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        return None if cell == REDACTED or len(cell) > MAX_TEXT_CHARACTERS else cell
    if isinstance(cell, int) and cell not in INTEGERS:
        try:
            return float(cell)
        except OverflowError:
            return None
    return cell if isinstance(cell, bool | int | float) else None


def _text_of(cell: Scalar) -> str:
    """Return *cell* as a subject; empty for a missing one, and for a float that is no exact number.

    Different integers may be read as the same large float, and so would be the same subject.
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if not abs(cell) < _LEAST_INEXACT:
            return ""
        return str(int(cell) if cell.is_integer() else cell)
    return "" if cell is None else str(cell)


def _trace_of(trace_parent: str) -> str:
    """Return the trace id in a ``traceparent`` header; empty if it has none."""
    parts = trace_parent.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == _TRACE_DIGITS else ""
