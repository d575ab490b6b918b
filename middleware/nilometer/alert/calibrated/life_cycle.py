"""The phases of a baseline: it learns, judges with wide tolerances, judges, and is then frozen.

A baseline is frozen, because a mean that follows the data would never show a slow drift.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.alert.calibrated.baseline import Baseline
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import Mask
from nilometer.alert.calibrated.normal import Normal
from nilometer.alert.calibrated.slots import WEEKEND, Slots
from nilometer.alert.calibrated.tolerance import Tolerance

LEARN_DAYS = 1  # days of windows before the first judgement
COARSE_DAYS = 8  # days of windows with wide tolerances
COARSE_WEEKEND_DAYS = 2  # weekend days that these days must include
FREEZE_DAYS = 14  # days of windows after which a baseline is frozen
COARSE_FACTOR = 3.0  # factor of tolerances until then
LEAST_WINDOWS_OF_BATCH = 5  # windows before the first judgement, for windows of a day or longer
FREEZE_WINDOWS_OF_BATCH = 60  # windows after which such a baseline is frozen


class Phase(Enum):
    """How far a baseline has learned."""

    LEARNING = "LEARNING"
    COARSE = "COARSE"
    ACTIVE = "ACTIVE"

    @property
    def factor(self) -> float:
        """Factor of every tolerance."""
        return COARSE_FACTOR if self is Phase.COARSE else 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a baseline.

    Attributes:
        phase: Current phase.
        frozen: Whether the baseline no longer changes.
        days_left: Days of traffic until the next phase; 0 in the last one.
    """

    phase: Phase
    frozen: bool = False
    days_left: float = 0.0


def progress(slots: Slots, teach: Mask) -> Progress:
    """Return the progress of a baseline that learns from the windows *teach*, shape (W,)."""
    windows = int(teach.sum())
    if slots.per_day == 1:
        if windows < LEAST_WINDOWS_OF_BATCH:
            return Progress(Phase.LEARNING, days_left=float(LEAST_WINDOWS_OF_BATCH - windows))
        return Progress(Phase.ACTIVE, frozen=windows >= FREEZE_WINDOWS_OF_BATCH)
    days = windows / slots.per_day
    weekend = len(np.unique(slots.day[teach & (slots.kind == WEEKEND)]))
    if days < LEARN_DAYS:
        return Progress(Phase.LEARNING, days_left=LEARN_DAYS - days)
    if days < COARSE_DAYS or weekend < COARSE_WEEKEND_DAYS:
        return Progress(Phase.COARSE, days_left=max(COARSE_DAYS - days, 0.0))
    return Progress(Phase.ACTIVE, frozen=days >= FREEZE_DAYS)


def has_moved(before: Baseline, after: Baseline, slots: Slots, tolerance: Tolerance) -> bool:
    """Return whether a new fit moved a mean by more than half its tolerance.

    If so, the evidence against the old mean does not apply to the new one. After a smaller move
    the evidence stays valid.

    Args:
        before: Baseline with which the evidence was collected.
        after: New fit of the same column.
        slots: Slots at which the means are compared, such as those of a week.
        tolerance: The tolerances of the column.
    """
    if after.judged != before.judged:
        return True
    pairs = (
        (before.smooth, after.smooth, tolerance.smooth),
        (_of_shape(before), _of_shape(after), tolerance.shape),
        (before.rates, after.rates, _of_rates(before, tolerance)),
    )
    return any(_moved(one, other, slots, allowed) for one, other, allowed in pairs)


def _of_shape(baseline: Baseline) -> Normal | None:
    return None if baseline.shape is None else baseline.shape.normal


def _of_rates(baseline: Baseline, tolerance: Tolerance) -> Floats:
    deviation = np.sqrt(baseline.shares * (1 - baseline.shares))
    return np.asarray(np.maximum(tolerance.rate, tolerance.rate_deviations * deviation))


def _moved(
    before: Normal | None, after: Normal | None, slots: Slots, tolerance: Floats | float
) -> bool:
    if before is None or after is None:
        return (before is None) != (after is None)
    return bool((np.abs(after.mu(slots) - before.mu(slots)) > tolerance / 2).any())
