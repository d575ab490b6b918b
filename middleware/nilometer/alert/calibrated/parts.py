"""Parts: alarms of single columns, from their opening to their closing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.evidence import (
    RECOVERED,
    THETA,
    Alarm,
    Budget,
    EvidenceState,
    recovery,
)

SILENT_WINDOWS = 288  # windows without a judgement after which a part closes for lack of data


class PartChange(Enum):
    """What a window changed for a part."""

    OPENED = "OPENED"
    CLOSED = "CLOSED"
    CLOSED_WITHOUT_DATA = "CLOSED_WITHOUT_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A column that has drifted and has not recovered.

    Attributes:
        opened_ns: End of the window that opened it, Unix nanoseconds.
        onset_ns: Since when the column has drifted.
        stream: The stream that opened it.
        recoveries: Evidence for recovery, shape (4,), of each stream that has alarmed.
        silent: Windows since the last one in which any of these streams was judged.
    """

    opened_ns: int
    onset_ns: int
    stream: int
    recoveries: Mapping[int, Floats]
    silent: int = 0

    @classmethod
    def of(cls, alarm: Alarm, end_ns: int) -> "Part":
        """The part that *alarm* opens in the window that ends at *end_ns*."""
        return cls(
            opened_ns=end_ns,
            onset_ns=alarm.onset_ns,
            stream=alarm.stream,
            recoveries={alarm.stream: np.zeros(len(THETA))},
        )

    def again(self, alarm: Alarm) -> "Part":
        """The part after a further alarm: it still goes on, so recovery starts anew."""
        streams = dict.fromkeys((*self.recoveries, alarm.stream))
        return replace(self, recoveries={stream: np.zeros(len(THETA)) for stream in streams})

    def after(self, z: Floats) -> "Part":
        """The part after a window with the scores *z*, shape (S,)."""
        judged = [stream for stream in self.recoveries if np.isfinite(z[stream])]
        moved = {stream: recovery(self.recoveries[stream], float(z[stream])) for stream in judged}
        silent = 0 if judged else self.silent + 1
        return replace(self, recoveries={**self.recoveries, **moved}, silent=silent)

    @property
    def change(self) -> PartChange | None:
        """How the part ends, if it does."""
        if all(m.mean() >= RECOVERED for m in self.recoveries.values()):
            return PartChange.CLOSED
        return PartChange.CLOSED_WITHOUT_DATA if self.silent >= SILENT_WINDOWS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """What is remembered of a model.

    Attributes:
        evidence: Of every stream.
        parts: Open parts, by position of the column.
        end_ns: End of the newest window that was judged, Unix nanoseconds.
    """

    evidence: EvidenceState
    parts: Mapping[int, Part] = field(default_factory=dict)
    end_ns: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A part that opened or closed.

    Attributes:
        column: Position of the column.
        change: What happened.
        part: The part after it opened, or as it closed.
        log_evidence: Of an opening: natural logarithm of the evidence over the budget.
    """

    column: int
    change: PartChange
    part: Part
    log_evidence: float = 0.0


def advance(
    budget: Budget, state: ModelState, z: Floats, end_ns: int
) -> tuple[ModelState, list[Change]]:
    """The state after a window, and what it changed.

    A window that ends no later than one before it changes nothing: late data never moves evidence.

    Args:
        budget: How much evidence an alarm needs.
        state: The state after the window before.
        z: Score of each stream, shape (S,); NaN where it was not judged.
        end_ns: End of the window, Unix nanoseconds.
    """
    if end_ns <= state.end_ns:
        return state, []
    evidence, alarms = budget.advance(state.evidence, z, end_ns)
    parts = {column: part.after(z) for column, part in state.parts.items()}
    changes = []
    ended = np.zeros(budget.columns, bool)
    for alarm in alarms:
        ended[alarm.column] = True
        if alarm.column in parts:
            parts[alarm.column] = parts[alarm.column].again(alarm)
        else:
            part = parts[alarm.column] = Part.of(alarm, end_ns)
            changes.append(Change(alarm.column, PartChange.OPENED, part, alarm.log_evidence))
    for column, part in list(parts.items()):
        if part.change is not None:
            changes.append(Change(column, part.change, part))
            ended[column] = True
            del parts[column]
    if ended.any():
        evidence = evidence.without(budget.streams_of(ended))
    return ModelState(evidence=evidence, parts=parts, end_ns=end_ns), changes
