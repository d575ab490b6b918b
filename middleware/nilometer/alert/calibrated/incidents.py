"""Incidents: windows of the learning span that a baseline must not learn from."""

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import Mask
from nilometer.alert.calibrated.slots import Slots

FARTHEST = 8.0  # robust standard deviations from which a window is an incident
MAD_TO_SD = 1.4826  # standard deviation of a normal over its median absolute deviation
LEAST_DAYS = 4  # days from which a window of the day has a median of its own


def incidents(x: Floats, sampling: Floats, slots: Slots, use: Mask) -> Mask:
    """The windows of which any component is far from its hour and from its window of the day.

    Both centres are needed. What jumps inside an hour on every day, such as a timetable, is far
    from the median of its hour and is no incident. The distance is measured in robust standard
    deviations of the hour, and never in less than sampling noise: the median deviation of a rare
    rate is 0. A day of which more than half would go stays whole.

    Args:
        x: Components, shape (W, j).
        sampling: Their sampling variance, shape (W, j).
        slots: The slots of the windows.
        use: Windows that may be used, shape (W,).

    Returns:
        Shape (W,); a subset of *use*.
    """
    centre = _medians_of_moments(x, slots, use)
    found = np.zeros(len(x), bool)
    hour = slots.hour
    for slot in np.unique(hour[use]):
        inside = np.flatnonzero((hour == slot) & use)
        floor = np.sqrt(sampling[inside].mean(axis=0))
        far = np.ones((len(inside), x.shape[1]), bool)
        for middle in (np.median(x[inside], axis=0), centre[inside]):
            away = np.abs(x[inside] - middle)
            typical = np.median(np.where(np.isfinite(away), away, 0.0), axis=0)
            far &= away > FARTHEST * np.maximum(MAD_TO_SD * typical, floor)
        found[inside] = far.any(axis=1)
    if slots.per_day > 1:
        for day in np.unique(slots.day[found]):
            of_day = slots.day == day
            if 2 * found[of_day].sum() > use[of_day].sum():
                found[of_day] = False
    return found


def _medians_of_moments(x: Floats, slots: Slots, use: Mask) -> Floats:
    """Median over days of each window of the day, shape (W, j); infinite where too few days are."""
    order = np.argsort(slots.moment, kind="stable")
    order = order[use[order]]
    moments, starts = np.unique(slots.moment[order], return_index=True)
    medians = np.full((slots.per_day, x.shape[1]), np.inf)
    for moment, inside in zip(moments, np.split(order, starts[1:]), strict=True):
        if len(inside) >= LEAST_DAYS:
            medians[moment] = np.median(x[inside], axis=0)
    return np.asarray(medians[slots.moment])
