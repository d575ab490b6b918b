"""A figure of performance with its confidence interval, and how intervals are computed.

All intervals treat rows as independent draws. Rows that belong together, such as repeated
predictions for one customer, make the true interval wider.

Shares use Wilson's interval with an effective number of rows. A share of *n* rows has the variance
``v (1 - v) / n``, so any statistic between 0 and 1 with value *v* and variance *s* is as uncertain
as a share of ``v (1 - v) / s`` rows. Wilson's interval stays inside [0, 1] and has a width of more
than 0 when all rows agree.

Amounts, which are never below 0, are often skewed: a few rows have most of the sum. Their variance is
then known as badly as that of those few rows. So an amount has as many degrees of freedom as rows
that would give its sum and its sum of squares if they were alike (Kish's effective sample size), and
its interval is symmetric on the scale of logarithms.

Sources: Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
Hill, "Algorithm 396: Student's t-quantiles" (1970); Kish, "Survey sampling" (1965).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95  # share of intervals that contain the true value
FEWEST_ALIKE = 5.0  # effective rows below which an amount has no interval
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval that contains its true value with probability `CONFIDENCE`.

    docs/performance.md lists the measured probabilities for few rows and for skewed numbers.

    Attributes:
        value: The figure, in its own unit.
        low: Lower end of the interval. If the rows are too few for an interval, it is the least
            possible value of the figure, such as 0 or minus infinity.
        high: Upper end of the interval. If the rows are too few, it is the largest possible value.
        rows: Number of rows on which the figure rests, such as the positive rows of a recall.
    """

    value: float
    low: float
    high: float
    rows: float

    def mapped(self, increasing: Callable[[float], float]) -> "Estimate":
        """Return the estimate of an *increasing* function of the figure."""
        return Estimate(
            increasing(self.value), increasing(self.low), increasing(self.high), self.rows
        )


def share(value: float, variance: float, rows: float, freedom: float = math.inf) -> Estimate:
    """Return a statistic between 0 and 1 with Wilson's interval.

    Args:
        value: Value of the statistic, from 0 to 1.
        variance: Variance of the value, at least 0; infinity if the rows do not tell it, which gives
            the interval [0, 1].
        rows: Number of rows on which the value rests, above 0; they give the interval if the
            variance is 0, as for a share of rows that all agree.
        freedom: Degrees of freedom of the variance; infinity if the value determines the variance,
            as for a share of rows.
    """
    if math.isinf(variance) or freedom < 1.0:
        return Estimate(value, 0.0, 1.0, rows)
    spread = value * (1.0 - value)
    effective = spread / variance if variance > 0.0 and spread > 0.0 else float(rows)
    z = student(freedom)
    shrink = 1.0 + z * z / effective
    middle = (value + z * z / (2.0 * effective)) / shrink
    half = z / shrink * math.sqrt(spread / effective + (z / (2.0 * effective)) ** 2)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Estimate(value, min(low, value), max(high, value), rows)


def normal(value: float, variance: float, rows: float) -> Estimate:
    """Return a figure with the interval of Student's t, whose freedom is *rows* less 1.

    Args:
        value: Value of the figure.
        variance: Variance of the value, at least 0.
        rows: Number of rows on which the value rests.
    """
    if rows < 2:
        return Estimate(value, -math.inf, math.inf, rows)
    half = student(rows - 1.0) * math.sqrt(max(variance, 0.0))
    return Estimate(value, value - half, value + half, rows)


def amount(value: float, variance: float, rows: float, alike: float) -> Estimate:
    """Return a figure that is never below 0, with its interval on the scale of logarithms.

    Args:
        value: Value of the figure, at least 0.
        variance: Variance of the value, at least 0.
        rows: Number of rows on which the value rests.
        alike: Number of rows that would give the same sum and sum of squares if they were alike.
            Below `FEWEST_ALIKE` the interval has no upper end.
    """
    if alike < FEWEST_ALIKE or value <= 0.0:
        return Estimate(value, 0.0, math.inf, rows)
    ratio = math.exp(student(alike - 1.0) * math.sqrt(max(variance, 0.0)) / value)
    return Estimate(value, value / ratio, value * ratio, rows)


def student(freedom: float) -> float:
    """Return the two-sided quantile of Student's t at `CONFIDENCE`, within 1 %.

    Args:
        freedom: Degrees of freedom, at least 1; below 3 they are rounded down, which gives a larger
            quantile.
    """
    upper = 0.5 + CONFIDENCE / 2
    if freedom < 2.0:
        return math.tan(math.pi * (upper - 0.5))
    if freedom < 3.0:
        return (2.0 * upper - 1.0) * math.sqrt(2.0 / (4.0 * upper * (1.0 - upper)))
    z = _NORMAL.inv_cdf(upper)
    terms = (
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def jackknife(statistic: Callable[[NDArray[Any]], float], counts: NDArray[Any]) -> Estimate:
    """Return a statistic of counts with an interval, for metrics that users write.

    Each row is left out once. Rows of one cell are alike, so one evaluation for each cell that is
    not empty is enough.

    Args:
        statistic: Function of the counts, such as a ratio of cells; smooth, and defined if one row
            is missing.
        counts: Whole numbers of rows, any shape.
    """
    rows = int(counts.sum())
    value = float(statistic(counts))
    if rows < 2:
        return Estimate(value, -math.inf, math.inf, rows)
    left_out = np.array(list(_without_one(statistic, counts)))
    weights = counts[counts > 0].astype(np.float64)
    mean = float(left_out @ weights) / rows
    variance = (rows - 1) / rows * float(((left_out - mean) ** 2) @ weights)
    return normal(value, variance, rows)


def _without_one(
    statistic: Callable[[NDArray[Any]], float], counts: NDArray[Any]
) -> Iterator[float]:
    for place in np.argwhere(counts > 0):
        fewer = counts.copy()
        fewer[tuple(place)] -= 1
        yield float(statistic(fewer))
