"""Incidents: windows of the learning span that a baseline must not learn from."""

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import Mask
from nilometer.alert.calibrated.slots import Slots

FARTHEST = 8.0  # largest distance of a normal window, in robust standard deviations
MAD_TO_SD = 1.4826  # standard deviation over median absolute deviation, if normal
LEAST_DAYS = 4  # fewest days for the median of one window of the day


def incidents(x: Floats, sampling: Floats, slots: Slots, use: Mask) -> Mask:
    """Return which windows are incidents: a component is far from both of two medians.

    One is the median of the hour, the other of the same window on all days. Both are needed: values
    that jump inside an hour every day, such as a timetable, are far from the median of the hour.
    The distance is measured in robust standard deviations of the hour. These are at least the
    sampling noise, because the median deviation of a rare rate is 0. If more than half of a day
    would be incidents, the day has no incident.

    Args:
        x: Components, shape (W, j).
        sampling: Sampling variance of the components, shape (W, j).
        slots: The slots of the windows.
        use: Whether each window may be used, shape (W,).

    Returns:
        Whether each window is an incident, shape (W,); only windows of *use* are.
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
    """Return the median over days at each window, shape (W, j); infinite with too few days."""
    order = np.argsort(slots.moment, kind="stable")
    order = order[use[order]]
    moments, starts, days = np.unique(slots.moment[order], return_index=True, return_counts=True)
    medians = np.full((slots.per_day, x.shape[1]), np.inf)
    for count in np.unique(days[days >= LEAST_DAYS]):  # moments of as many days in one call
        alike = days == count
        inside = order[starts[alike, np.newaxis] + np.arange(count)]
        medians[moments[alike]] = np.median(x[inside], axis=1)
    return np.asarray(medians[slots.moment])
