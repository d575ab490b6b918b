"""The phases of a baseline: learning, judging with wide tolerances, judging, frozen.

The phases follow the calendar of the traffic: the time since its first window, and the days with
traffic. So quiet nights, free weekends and pauses do not delay the next phase. A baseline is frozen
at the end, because a mean that follows the data would never show a slow drift.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from nilometer.alert.calibrated.baseline import Baseline
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import Mask
from nilometer.alert.calibrated.normal import LEAST_WINDOWS, Normal
from nilometer.alert.calibrated.slots import WEEKEND, Slots, kind_of_day
from nilometer.alert.calibrated.tolerance import Tolerance

LEARN_DAYS = 1  # days since the first window before the first judgement
COARSE_DAYS = 8  # days with wide tolerances
COARSE_BUSY_DAYS = 5  # how many of them need traffic
COARSE_WEEKEND_DAYS = 2  # how many of them need to be at a weekend
FREE_WEEKEND_DAYS = 13  # days until weekends without traffic are known to be usual
FREEZE_DAYS = 14  # days after which a baseline is frozen
FREEZE_BUSY_DAYS = 10  # how many of them need traffic
FREEZE_BATCHES = 14  # batches after which the baseline of a batch is frozen
PAUSE_DAYS = 7  # a longer pause counts as so many days
WEEK = 7  # days in a week, the period in which traffic is expected to repeat
MOST_AHEAD = 400  # days ahead for which the next phase is predicted
COARSE_FACTOR = 3.0  # factor of tolerances in the coarse phase


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
        days_left: Days until the next phase if the traffic of the last week repeats; 0 in the last
            phase, None if there was no traffic in the last week.
        freeze_left: Days until the baseline is frozen, with the same special values.
        quiet_days: Longest time without traffic so far, at most `PAUSE_DAYS`.
    """

    phase: Phase
    frozen: bool = False
    days_left: int | None = 0
    freeze_left: int | None = 0
    quiet_days: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The days and windows that a baseline has seen.

    Attributes:
        days: Days since the first window with traffic; a long pause counts as `PAUSE_DAYS`.
        busy: Days with windows that can be learned from.
        weekend: Busy days at a weekend.
        windows: Windows that can be learned from.
        is_batch: Whether busy days have one window each.
    """

    days: float
    busy: int
    weekend: int
    windows: float
    is_batch: bool

    @classmethod
    def of(cls, slots: Slots, busy: Mask, teach: Mask) -> "_Seen":
        starts = np.flatnonzero(busy)
        lengths = np.diff(np.append(starts, len(busy)))
        days = np.minimum(lengths, PAUSE_DAYS * slots.per_day).sum() / slots.per_day
        windows, busy_days = int(teach.sum()), len(np.unique(slots.day[teach]))
        return cls(
            days=float(days),
            busy=busy_days,
            weekend=len(np.unique(slots.day[teach & (slots.kind == WEEKEND)])),
            windows=windows,
            is_batch=slots.per_day == 1 or windows < 2 * busy_days,
        )

    @property
    def phase(self) -> Phase:
        if self.windows < LEAST_WINDOWS or self.days < LEARN_DAYS:
            return Phase.LEARNING
        if self.is_batch:
            return Phase.ACTIVE
        knows_weekend = self.weekend >= COARSE_WEEKEND_DAYS or self.days >= FREE_WEEKEND_DAYS
        if self.days < COARSE_DAYS or self.busy < COARSE_BUSY_DAYS or not knows_weekend:
            return Phase.COARSE
        return Phase.ACTIVE

    @property
    def is_frozen(self) -> bool:
        if self.is_batch:
            return self.windows >= FREEZE_BATCHES
        is_active = self.phase is Phase.ACTIVE
        return is_active and self.days >= FREEZE_DAYS and self.busy >= FREEZE_BUSY_DAYS

    def after(self, days: Sequence[int]) -> "_Seen":
        """Return what the baseline has seen a day later, if *days* had traffic."""
        return replace(
            self,
            days=self.days + 1,
            busy=self.busy + len(days),
            weekend=self.weekend + sum(kind_of_day(day) == WEEKEND for day in days),
            windows=self.windows + len(days) * self.windows / max(self.busy, 1),
        )


def progress(slots: Slots, busy: Mask, teach: Mask) -> Progress:
    """Return the progress of a baseline.

    Args:
        slots: The slots of all windows up to now, including windows without traffic.
        busy: Whether each window has traffic, shape (W,).
        teach: Whether each window may be learned from, shape (W,).
    """
    seen = _Seen.of(slots, busy, teach)
    phase, frozen = seen.phase, seen.is_frozen
    ahead = _ahead(seen, slots, busy) if teach.any() else []
    apart = np.diff(np.flatnonzero(busy)).max(initial=1) - 1

    def left(reached: Callable[[_Seen], bool]) -> int | None:
        return next((days for days, then in enumerate(ahead, start=1) if reached(then)), None)

    return Progress(
        phase,
        frozen=frozen,
        days_left=0 if phase is Phase.ACTIVE else left(lambda then: then.phase is not phase),
        freeze_left=0 if frozen else left(lambda then: then.is_frozen),
        quiet_days=min(float(apart) / slots.per_day, PAUSE_DAYS),
    )


def _ahead(seen: _Seen, slots: Slots, busy: Mask) -> list[_Seen]:
    """Predict what the baseline has seen after each day until a freeze.

    The last week is expected to repeat. Days before the first traffic are expected to be busy.
    Nothing is predicted after a week without traffic.
    """
    moment = int(slots.moment[-1] + 1) % slots.per_day  # current time of day
    today = int(slots.day[-1]) + (moment == 0)
    recent = np.arange(today - WEEK, today)
    later, sooner = busy & (slots.moment >= moment), busy & (slots.moment < moment)
    began = int(slots.day[busy.argmax()])
    # The next 24 hours are the rest of one local day and the beginning of the next.
    rest = np.isin(recent, slots.day[later]) | (recent < began)
    beginning = np.isin(recent + 1, slots.day[sooner])
    if not (rest | beginning).any():
        return []
    found: list[_Seen] = []
    last = int(slots.day[busy].max())
    while not seen.is_frozen and len(found) < MOST_AHEAD:
        place = len(found)
        day = today + place
        days = [day] if rest[place % WEEK] and day > last else []
        days += [day + 1] if beginning[place % WEEK] else []
        last = days[-1] if days else last
        seen = seen.after(days)
        found.append(seen)
    return found


def has_moved(before: Baseline, after: Baseline, slots: Slots, tolerance: Tolerance) -> bool:
    """Return whether a new fit moved a mean by more than half its tolerance.

    If so, the evidence against the old mean does not apply to the new one. After a smaller move
    the evidence stays valid.

    Args:
        before: Baseline with which the evidence was collected.
        after: New fit of the same column.
        slots: Slots at which the means are compared, such as all slots of a week.
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
