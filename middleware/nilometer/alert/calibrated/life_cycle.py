"""The life of a baseline: it learns, judges coarsely, judges, and is frozen.

A baseline is frozen and does not roll: a mean that follows the data never finds a slow drift.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.alert.calibrated.baseline import Baseline
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import Mask
from nilometer.alert.calibrated.model import Tolerance
from nilometer.alert.calibrated.normal import Normal
from nilometer.alert.calibrated.slots import WEEKEND, Slots

LEARN_DAYS = 1  # days of windows before anything is judged
COARSE_DAYS = 8  # days before tolerances are their own
COARSE_WEEKEND_DAYS = 2  # weekend days that must be among them
FREEZE_DAYS = 14  # days after which a baseline no longer changes
COARSE_FACTOR = 3.0  # of tolerances while a week has not been seen
LEAST_WINDOWS_OF_BATCH = 5  # windows before anything is judged, where a window is a day or more
FREEZE_WINDOWS_OF_BATCH = 60  # after which a baseline of such windows no longer changes


class Phase(Enum):
    """How much a baseline knows."""

    LEARNING = "LEARNING"
    COARSE = "COARSE"
    ACTIVE = "ACTIVE"

    @property
    def factor(self) -> float:
        """Factor of every tolerance."""
        return COARSE_FACTOR if self is Phase.COARSE else 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a baseline has come.

    Attributes:
        phase: How much it knows.
        frozen: Whether it no longer changes.
        days_left: Days of traffic until the next phase; 0 in the last one.
    """

    phase: Phase
    frozen: bool = False
    days_left: float = 0.0


def progress(slots: Slots, teach: Mask) -> Progress:
    """How far a baseline has come that learns from the windows *teach*, shape (W,)."""
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
    """Whether a refit moved a mean by more than half its tolerance.

    Evidence against the old mean then says nothing of the new one. Smaller moves leave it as it is.

    Args:
        before: The baseline that the evidence was collected against.
        after: The refitted one of the same column.
        slots: Windows to compare at, such as those of a week.
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
