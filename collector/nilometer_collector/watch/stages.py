"""How far a baseline has learned, as the status of its summary."""

from dataclasses import dataclass
from typing import TypeAlias

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.life_cycle import COARSE_FACTOR, Phase
from nilometer.alert.reason import Reason
from nilometer.values.times import time_text
from nilometer_collector.watch.memory import Memory, Watched

Status: TypeAlias = tuple[AlertStatus, Reason, str]

LEFT_OUT = {
    Reason.UNSTABLE_BASELINE: "more than 10 % of the windows were incidents, so there is no normal "
    "to compare with; the next fit tries again",
    Reason.TOO_FEW: "the windows have too few rows to learn what is normal",
    Reason.NOTHING_TO_JUDGE: "it has no values that can be compared",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a baseline has learned. The times mean the same as in `Watched`."""

    phase: Phase
    frozen: bool
    next_ns: int
    frozen_ns: int

    @classmethod
    def of(cls, one: Watched) -> "Stage":
        """Return the stage of a subject."""
        return cls(one.phase, one.frozen, one.next_ns, one.frozen_ns)

    @property
    def sentence(self) -> str:
        """Sentence about what the alerter does now, and when that changes."""
        if self.phase is Phase.LEARNING:
            return f"the baseline is learned {_until(self.next_ns)}; nothing is judged yet"
        if self.phase is Phase.COARSE:
            return (
                f"tolerances are {COARSE_FACTOR:g} times as wide {_until(self.next_ns)}, "
                "because no whole week is known yet"
            )
        if self.frozen:
            known = f" since {time_text(self.frozen_ns)}" if self.frozen_ns else ""
            return f"the baseline is frozen{known}"
        return f"the baseline is learned again each day {_until(self.frozen_ns)}"


def _until(at_ns: int) -> str:
    return f"until about {time_text(at_ns)}" if at_ns else "until there was more traffic"


def open_or_left_out(one: Watched, memory: Memory) -> Status | None:
    """Return the status of a subject that drifts or cannot be judged; None for any other."""
    for part in memory.open_parts:
        if PartKey(part.record.summary, part.record.labels) == one.key:
            return AlertStatus.ALERTING, Reason.DRIFT, part.record.evidence
    if one.reason is not None and one.reason is not Reason.LEARNING:
        return AlertStatus.NOT_WATCHED, one.reason, LEFT_OUT[one.reason]
    return None


def stage_status(one: Watched) -> Status:
    """Return the status of a subject that does not drift."""
    stage = Stage.of(one)
    if one.phase is Phase.LEARNING:
        return AlertStatus.LEARNING, Reason.LEARNING, stage.sentence
    if one.phase is Phase.COARSE:
        return AlertStatus.LEARNING, Reason.COARSE, stage.sentence
    return AlertStatus.OK, Reason.WATCHED, f"within its tolerance; {stage.sentence}"
