"""The tolerance and the usual value that apply to one component of a judged column."""

import numpy as np

from nilometer.alert.calibrated.components import SMOOTH
from nilometer.alert.calibrated.factors import on_holidays
from nilometer.alert.calibrated.model import Judged


def tolerance_of(judged: Judged, component: str, *, is_holiday: bool) -> float:
    """Return the largest distance from normal that is not drift, in the unit of *component*.

    Args:
        judged: Column with its baseline.
        component: Component of the column.
        is_holiday: Whether the judged window starts on a holiday.
    """
    asked, baseline = judged.tolerance, judged.baseline
    widest = asked.rate
    if component in SMOOTH and baseline.smooth is not None:
        widest = max(asked.smooth, float(baseline.smooth.wander[SMOOTH.index(component)]))
    elif component == "shape" and baseline.shape is not None:
        widest = max(asked.shape, float(baseline.shape.normal.wander[0]))
    elif baseline.rates is not None:
        names = [judged.column.rates[place].name for place in baseline.judged]
        place = names.index(component)
        mean = float(np.clip(baseline.rates.mean[place], 0.0, 1.0))
        relative = asked.rate_deviations * float(np.sqrt(mean * (1 - mean)))
        widest = max(asked.rate, relative, float(baseline.rates.wander[place]))
    factor = judged.factor
    if is_holiday:
        factor = on_holidays(factor, knows_holidays=baseline.knows_holidays)
    return widest * factor


def usual_of(judged: Judged, component: str) -> float | None:
    """Return the usual value of a share, averaged over all hours; None for other components."""
    baseline = judged.baseline
    if baseline.rates is None:
        return None
    names = [judged.column.rates[place].name for place in baseline.judged]
    return float(baseline.rates.mean[names.index(component)]) if component in names else None
