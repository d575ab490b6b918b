"""Normal values of components at one window length: mean, variance, and drift between days.

`fit` estimates them from past windows, and a `Normal` returns them for any window. Each correction
can only increase the variance. So a poor fit delays alarms, but does not cause false ones.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import stdtrit

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.dispersion import (
    LAGS,
    LEAST_OF_SLOT,
    TINY,
    Mask,
    long_run_ratio,
    tail_ratio,
    two_variances,
    uneven,
    volume_varies,
)
from nilometer.alert.calibrated.incidents import incidents
from nilometer.alert.calibrated.slots import KINDS_OF_DAYS, WEEKDAY, Integers, Slots

LEAST_ROWS_TO_LEARN = 5  # fewest rows of a window to learn from; judging needs more
LEAST_WINDOWS = 5  # fewest windows of a baseline
LEAST_DEGREES = 3.0  # fewest degrees of freedom of a baseline
LEAST_OF_KIND = 2  # fewest days of a kind, such as holidays, with means of its own
WANDER_DAYS = 3  # fewest whole days to measure day-to-day movement of the mean
WANDER_LEVEL = 1e-3  # probability that the mean of a day is outside the tolerance
MOST_DROPPED = 0.1  # largest share of incidents of a stable baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """The normal values of j components.

    Attributes:
        mean: Mean over all windows, shape (j,).
        hour: Offset of each hour of the day from `mean`, shape (hours, j).
        moment: Further offset of each window of the day, shape (windows per day, j).
        week: Further offset of each hour on each kind of day, shape (3 * hours, j); 0 for a kind
            that was not seen on two days.
        phi: Factor of the sampling variance for clustered rows, at least 1, shape (j,).
        tau2: Variance between windows that does not decrease with more rows, shape (j,).
        excess: Factor of the larger of sampling variance and `flat`, used if `phi` and `tau2`
            could not be estimated separately; else 0; shape (j,).
        flat: Mean sampling variance of the windows that were learned from, shape (j,).
        inflation: Factor for heavy tails and for correlated neighbouring windows, shape (j,).
        uneven: Factor of the variance in each hour, at least 1, shape (hours, j).
        error: Variance of the estimated mean, shape (j,).
        wander: Tolerance for movement from day to day, in units of the component, shape (j,).
        degrees: Degrees of freedom of the variance, at least 3; shape (j,).
    """

    mean: Floats
    hour: Floats
    moment: Floats
    week: Floats
    phi: Floats
    tau2: Floats
    excess: Floats
    flat: Floats
    inflation: Floats
    uneven: Floats
    error: Floats
    wander: Floats
    degrees: Floats

    def mu(self, slots: Slots) -> Floats:
        """Return the mean at each window, shape (W, j)."""
        return _mean_at(self, slots)

    def variance(self, sampling: Floats, slots: Slots) -> Floats:
        """Return the variance of the components around their means, shape (W, j).

        Args:
            sampling: Sampling variance, shape (W, j).
            slots: The slots of the windows.
        """
        between = self.tau2 + self.excess * np.maximum(sampling, self.flat)
        own = self.phi * sampling + between
        return np.asarray(own * self.uneven[slots.hour] * self.inflation + self.error)

    @classmethod
    def joined(cls, parts: "list[Normal]") -> "Normal":
        """Return the components of all *parts*, which have one window length, in order."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
                for field in fields(cls)
            }
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """A `Normal` with the windows that it was learned from.

    Attributes:
        normal: Normal values.
        used: Mask of the windows that were learned from, shape (W,).
        dropped: Share of the windows that were left out as incidents, 0 to 1.
    """

    normal: Normal
    used: Mask
    dropped: float

    @property
    def unstable(self) -> bool:
        """Whether too many windows were incidents, so that this baseline must not be used."""
        return self.dropped > MOST_DROPPED


def fit(x: Floats, sampling: Floats, rows: Floats, slots: Slots, teach: Mask) -> Fitted | None:
    """Learn the normal values of components.

    Args:
        x: Components, shape (W, j), windows in order of time.
        sampling: Sampling variance of the components, shape (W, j).
        rows: Effective rows of each window, shape (W,).
        slots: The slots of the windows.
        teach: Mask of the windows to learn from, shape (W,): closed, outside of episodes.

    Returns:
        The fit; None if fewer than five windows can be used.
    """
    able = teach & (rows >= LEAST_ROWS_TO_LEARN)
    if able.sum() < LEAST_WINDOWS:
        return None
    bad = incidents(x, sampling, slots, able)
    use = able & ~bad
    count = int(use.sum())
    if count < LEAST_WINDOWS:
        return None
    means = _Means(x, rows, slots, use)
    residual = x - _mean_at(means, slots)
    sampling = np.maximum(sampling, 1e-12)
    squares = residual[use] ** 2 * (count / max(count - means.spent, 1.0))
    known = sampling[use]
    ratio = np.maximum((squares / known).mean(axis=0), 1.0)
    flat = known.mean(axis=0)
    phi, tau2, excess = np.ones_like(flat), np.zeros_like(flat), ratio - 1
    if volume_varies(rows[use]):
        phi, tau2 = two_variances(squares, known)
        excess = np.zeros_like(flat)
    own = phi * sampling + tau2 + excess * np.maximum(sampling, flat)
    scale = np.maximum((squares / own[use]).mean(axis=0), 1.0)
    own = own * scale
    hourly = uneven(residual / np.sqrt(own), use, slots.hour, slots.hours)
    z = residual / np.sqrt(own * hourly[slots.hour])
    resemblance = long_run_ratio(z, use, min(LAGS, max(count // 4, 1)))
    inflation = scale * tail_ratio(z[use]) ** 2 * resemblance
    normal = Normal(
        mean=means.mean, hour=means.hour, moment=means.moment, week=means.week,
        phi=phi, tau2=tau2, excess=excess, flat=flat, inflation=inflation, uneven=hourly,
        error=means.error, wander=_wander(residual, slots, use),
        degrees=np.maximum((count - means.spent) / resemblance, LEAST_DEGREES),
    )  # fmt: skip
    return Fitted(normal, use, float(bad.sum() / max(int(able.sum()), 1)))


class _Means:
    """Means by hour, by window of the day, and by hour and kind of day.

    Each level is learned from the residuals of the level above. It is shrunk towards 0 by the
    share of its variance that is noise (James and Stein). A slot with few windows takes the value
    of the level above. Values are not interpolated, because a series may jump, such as at midnight.
    """

    def __init__(self, x: Floats, rows: Floats, slots: Slots, use: Mask) -> None:
        components = x.shape[1]
        weight = rows[use]
        self.mean = np.asarray((x[use] * weight[:, None]).sum(axis=0) / weight.sum())
        self.hour = np.zeros((slots.hours, components))
        self.moment = np.zeros((slots.per_day, components))
        self.week = np.zeros((slots.hours * KINDS_OF_DAYS, components))
        self.error = np.zeros(components)
        self.spent = 1.0
        self._rows = rows
        if slots.per_day == 1:
            self.error = x[use].var(axis=0) / int(use.sum())
            return
        left = x - self.mean
        self.hour = self._level(left, slots.hour, slots.hours, use)
        left = left - self.hour[slots.hour]
        if slots.hours < slots.per_day:
            self.moment = self._level(left, slots.moment, slots.per_day, use)
            left = left - self.moment[slots.moment]
        kinds = seen_twice(slots, use)
        if kinds[WEEKDAY] and kinds[WEEKDAY + 1 :].any():
            use = use & kinds[slots.kind]
            self.week = self._level(left, slots.week, slots.hours * KINDS_OF_DAYS, use)

    def _level(self, left: Floats, slot: Integers, size: int, use: Mask) -> Floats:
        """Return the offset of each slot, shape (size, j), from the windows in *use*."""
        count = np.bincount(slot[use], minlength=size)
        known = count >= LEAST_OF_SLOT
        if known.sum() < 2:
            return np.zeros((size, left.shape[1]))
        total = np.maximum(np.bincount(slot[use], self._rows[use], minlength=size), 1e-9)
        weighted = self._rows[use, None] * left[use]
        sums = np.zeros((size, left.shape[1]))
        np.add.at(sums, slot[use], weighted)
        means = sums / total[:, None]
        within = np.where(use[:, None], left - means[slot], 0.0)
        windows = int(use.sum())
        spread = (within**2).sum(axis=0) / max(windows - int((count > 0).sum()), 1)
        ratio = long_run_ratio(within, use, min(LAGS, windows // 4))
        noise = spread * ratio / count[known].mean()
        between = np.maximum(means[known].var(axis=0) - noise, 0.0)
        kept = between / (between + noise + TINY)
        self.error = self.error + kept * noise
        self.spent += (int((count > 0).sum()) - 1) * float(kept.mean())
        return np.asarray(means * kept * known[:, None])


def _mean_at(of: "Normal | _Means", slots: Slots) -> Floats:
    """Return the mean at each window, shape (W, j): the overall mean and all offsets."""
    seasonal = of.hour[slots.hour] + of.moment[slots.moment] + of.week[slots.week]
    return np.asarray(of.mean + seasonal)


def seen_twice(slots: Slots, use: Mask) -> Mask:
    """Return whether each kind of day has two days in *use*, shape (3,)."""
    days = [len(np.unique(slots.day[use & (slots.kind == kind)])) for kind in range(KINDS_OF_DAYS)]
    return np.array(days) >= LEAST_OF_KIND


def _wander(residual: Floats, slots: Slots, use: Mask) -> Floats:
    """Return the tolerance for movement from day to day, shape (j,); 0 for fewer than three days.

    The long-run variance covers an hour of neighbouring windows. A sequential test would report
    slower movement as a drift, so the tolerance must allow for it.
    """
    days, place = np.unique(slots.day[use], return_inverse=True)
    windows = np.bincount(place, minlength=len(days))
    whole = windows >= min(slots.per_day, windows.max()) / 2
    if slots.per_day == 1 or whole.sum() < WANDER_DAYS:
        return np.zeros(residual.shape[1])
    sums = np.zeros((len(days), residual.shape[1]))
    np.add.at(sums, place, residual[use])
    means = (sums / windows[:, None])[whole]
    level = -stdtrit(len(means) - 1, WANDER_LEVEL)
    return np.asarray(level * means.std(axis=0, ddof=1))
