"""The tolerance that applies to one component of a subject."""

import numpy as np

from nilometer.alert.calibrated.components import SMOOTH
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.memory import Watched


def tolerance_of(watched: Watched, component: str, rule: WatchRule) -> float:
    """Return the largest distance from normal that is not drift, in the unit of *component*."""
    asked, baseline = rule.tolerance(watched.key.summary), watched.baseline
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
    return widest * watched.phase.factor
