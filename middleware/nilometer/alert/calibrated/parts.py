"""Parts: the alarm of a single column, from its opening to its closing."""

from collections.abc import Iterable, Mapping, Sequence
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


class PartChange(Enum):
    """The change of a part that a window caused."""

    OPENED = "OPENED"
    CLOSED = "CLOSED"
    CLOSED_WITHOUT_DATA = "CLOSED_WITHOUT_DATA"
    REPLACED = "REPLACED"  # the column has a new baseline, so the part cannot stay open
    NEW_NORMAL = "NEW_NORMAL"  # a person accepted the values since the onset as normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A column that has drifted and has not recovered.

    Attributes:
        opened_ns: End of the window that opened it, Unix nanoseconds.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        stream: Position of the stream that opened it.
        recoveries: Evidence for recovery of each stream that has alarmed, shape (4,), by position.
        silent: Number of windows since one of these streams was last judged.
    """

    opened_ns: int
    onset_ns: int
    stream: int
    recoveries: Mapping[int, Floats]
    silent: int = 0

    @classmethod
    def of(cls, alarm: Alarm, end_ns: int) -> "Part":
        """Open a part for *alarm* in the window that ends at *end_ns*."""
        return cls(
            opened_ns=end_ns,
            onset_ns=alarm.onset_ns,
            stream=alarm.stream,
            recoveries={alarm.stream: np.zeros(len(THETA))},
        )

    def again(self, alarm: Alarm) -> "Part":
        """Return the part after a further alarm, which resets the evidence for recovery."""
        streams = dict.fromkeys((*self.recoveries, alarm.stream))
        return replace(self, recoveries={stream: np.zeros(len(THETA)) for stream in streams})

    def after(self, z: Floats) -> "Part":
        """Return the part after a window with the scores *z*, shape (S,)."""
        judged = [stream for stream in self.recoveries if np.isfinite(z[stream])]
        moved = {stream: recovery(self.recoveries[stream], float(z[stream])) for stream in judged}
        silent = 0 if judged else self.silent + 1
        return replace(self, recoveries={**self.recoveries, **moved}, silent=silent)

    def change(self, patience: int) -> PartChange | None:
        """Return the way in which the part closes now; None if it stays open.

        Args:
            patience: Consecutive windows not judged after which it closes.
        """
        if all(m.mean() >= RECOVERED for m in self.recoveries.values()):
            return PartChange.CLOSED
        return PartChange.CLOSED_WITHOUT_DATA if self.silent >= patience else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """The state of a model between windows.

    Attributes:
        evidence: Evidence of every stream.
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
        change: Whether the part opened, or how it closed.
        part: The part after this window.
        log_evidence: Natural logarithm of evidence divided by budget, for an opening; else 0.
    """

    column: int
    change: PartChange
    part: Part
    log_evidence: float = 0.0


def close(
    budget: Budget, state: ModelState, columns: Iterable[int], how: PartChange
) -> tuple[ModelState, list[Change]]:
    """Close the parts of *columns* for the reason *how*; return the state and the changes."""
    parts, ended = dict(state.parts), np.zeros(budget.columns, bool)
    changes = []
    for column in columns:
        part = parts.pop(column, None)
        if part is not None:
            changes.append(Change(column, how, part))
            ended[column] = True
    evidence = state.evidence.without(budget.streams_of(ended)) if changes else state.evidence
    return replace(state, evidence=evidence, parts=parts), changes


def advance(
    budget: Budget, state: ModelState, z: Floats, end_ns: int, patience: Sequence[int]
) -> tuple[ModelState, list[Change]]:
    """Return the state after a window, and the parts that opened or closed.

    A window that is not newer than the previous one changes nothing, so late data is ignored.

    Args:
        budget: Evidence that an alarm needs.
        state: State after the previous window.
        z: Score of each stream, shape (S,); NaN if it was not judged.
        end_ns: End of the window, Unix nanoseconds.
        patience: Consecutive windows not judged after which a part closes, for each column.
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
        change = part.change(patience[column])
        if change is not None:
            changes.append(Change(column, change, part))
            ended[column] = True
            del parts[column]
    if ended.any():
        evidence = evidence.without(budget.streams_of(ended))
    return ModelState(evidence=evidence, parts=parts, end_ns=end_ns), changes
