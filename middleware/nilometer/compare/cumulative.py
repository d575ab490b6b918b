"""The cumulative distributions of two t-digests, prepared for integrals over their difference.

Between two neighbouring points both are linear, so the integrals are exact for the digests. Their
unit is the standard deviation of the reference. If the reference is constant, it is the standard
deviation of both sides together.
"""

from dataclasses import dataclass

import numpy as np

from nilometer.compare.comparator import Sides
from nilometer.compare.shares import Floats
from nilometer.profile.numeric import NumericProfile

ROUNDING = 1e-12  # largest deviation of a constant by rounding, relative to its mean


@dataclass(frozen=True, slots=True)
class Steps:
    """The difference of two cumulative distributions on *m* steps, on which it is linear.

    Attributes:
        widths: Widths in standard deviations of the reference, shape (m,), each above 0.
        first: Difference at the start of each step, shape (m,), -1 to 1.
        last: Difference at the end of each step, shape (m,).
        spread: ``H (1 - H)`` in each step, shape (m,), where *H* is the mean of both sides.
        variance: ``1/n + 1/N``.
    """

    widths: Floats
    first: Floats
    last: Floats
    spread: Floats
    variance: float


def steps_of(sides: Sides) -> Steps | None:
    """Return the steps of both sides' numbers; None if a side has none or the range overflows."""
    past, now = sides.past.numbers, sides.now.numbers
    if not past.count or not now.count:
        return None
    at = np.unique(np.concatenate([_points(past), _points(now)]))
    with np.errstate(all="ignore"):
        widths = np.diff(at)
        starts = [side.digest.rank(at[:-1]) for side in (past, now)]
        ends = [side.digest.rank(np.nextafter(at[1:], -np.inf)) for side in (past, now)]
        scale = deviation_of(past, now)
        widths = widths / scale if scale else widths
    if not (np.isfinite(widths).all() and np.isfinite(widths.sum())):
        return None
    middle = (starts[0] + starts[1] + ends[0] + ends[1]) / 4
    return Steps(
        widths=widths,
        first=starts[1] - starts[0],
        last=ends[1] - ends[0],
        spread=middle * (1 - middle),
        variance=1 / past.count + 1 / now.count,
    )


def _points(numbers: NumericProfile) -> Floats:
    """Return the values between which the digest's distribution is linear."""
    digest = numbers.digest
    means, _, _ = digest.centroids()
    return np.concatenate([[digest.min], means, [digest.max]]).astype(np.float64)


def deviation_of(past: NumericProfile, now: NumericProfile) -> float:
    """Return the standard deviation of *past*; if that is 0, of both sides together."""
    alone = past.moments.standard_deviation or 0.0
    together = past.moments.merge(now.moments).standard_deviation or 0.0
    return alone if alone > ROUNDING * abs(past.moments.mean) else together
