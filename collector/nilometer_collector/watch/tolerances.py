"""The tolerance that applies to one component of a subject."""

import numpy as np

from nilometer.alert.calibrated.components import SMOOTH
from nilometer.alert.calibrated.factors import on_holidays
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.memory import Watched


def tolerance_of(watched: Watched, component: str, rule: WatchRule, start_ns: int) -> float:
    """Return the largest distance from normal that is not drift, in the unit of *component*.

    Args:
        watched: Subject with its baseline.
        component: Component of its column.
        rule: Settings of the entity.
        start_ns: Start of the judged window, Unix nanoseconds.
    """
    asked = rule.tolerance(watched.key.summary, watched.counted.tolerance)
    baseline = watched.baseline
    widest = asked.rate
    if baseline is None:
        return widest
    if component in SMOOTH and baseline.smooth is not None:
        widest = max(asked.smooth, float(baseline.smooth.wander[SMOOTH.index(component)]))
    elif component == "shape" and baseline.shape is not None:
        widest = max(asked.shape, float(baseline.shape.normal.wander[0]))
    elif baseline.rates is not None:
        names = [watched.counted.column.rates[place].name for place in baseline.judged]
        place = names.index(component)
        mean = float(np.clip(baseline.rates.mean[place], 0.0, 1.0))
        relative = asked.rate_deviations * float(np.sqrt(mean * (1 - mean)))
        widest = max(asked.rate, relative, float(baseline.rates.wander[place]))
    factor = watched.phase.factor
    if rule.is_holiday(start_ns):
        factor = on_holidays(factor, knows_holidays=baseline.knows_holidays)
    return widest * factor


def usual_of(watched: Watched, component: str) -> float | None:
    """Return the usual value of a share, averaged over all hours; None for other components."""
    baseline = watched.baseline
    if baseline is None or baseline.rates is None:
        return None
    names = [watched.counted.column.rates[place].name for place in baseline.judged]
    return float(baseline.rates.mean[names.index(component)]) if component in names else None
