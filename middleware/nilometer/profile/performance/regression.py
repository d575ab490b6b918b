"""Performance of a regression: exact sums of errors and true values, and the residuals' distribution.

The sums are exact, so parts merge in any order and grouping with the same bits, and a row can be
taken out again. Products of up to four numbers of a row are exact as well: the variance of values
near 1e9 that differ by 1 has all of its digits.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nilometer.profile.content import TypeCounts
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.performance.estimate import Estimate, amount, normal
from nilometer.profile.performance.judged import Judged, value_of
from nilometer.profile.performance.mean import NO_MEAN, Mean
from nilometer.profile.recorder import FeatureRecorder
from nilometer.sketch.exact import MAX_FACTOR, UNIT_BITS, exact_product_units, without_tiny

Floats: TypeAlias = NDArray[np.float64]

# Exponents of the error and of the true value, for each sum of products that is kept.
POWERS = ((2, 0), (4, 0), (0, 1), (0, 2), (0, 3), (0, 4), (2, 1), (2, 2))


@dataclass(frozen=True, slots=True)
class Regression(Judged):
    """True values and errors. An error is the prediction less the true value.

    Attributes:
        absolute: Absolute error, in the unit of the output.
        percentage: Absolute error divided by the absolute true value, of true values but 0.
        sums: Exact sums over rows of ``error^i * truth^j`` by `POWERS`, in units of 2^-1074.
        residuals: Distribution of the errors.
        unlabelled: Number of rows without a true value, which count nowhere else.
        unusable: Number of labelled rows whose numbers are not finite, or over `MAX_FACTOR`.
    """

    kind: ClassVar[str] = "regression"

    absolute: Mean = NO_MEAN
    percentage: Mean = NO_MEAN
    sums: tuple[int, ...] = (0,) * len(POWERS)
    residuals: FeatureProfile = field(default_factory=FeatureProfile)
    unlabelled: int = 0
    unusable: int = 0

    @classmethod
    def of(cls, predicted: ArrayLike, truth: ArrayLike) -> Self:
        """Return the performance of *predicted* values, both arguments of shape (n,).

        Args:
            predicted: Predicted values.
            truth: True values; NaN is a row without one.

        Raises:
            ValueError: If the shapes differ.
        """
        guesses = np.asarray(predicted, dtype=np.float64)
        labels = np.asarray(truth, dtype=np.float64)
        if guesses.shape != labels.shape or guesses.ndim != 1:
            raise ValueError(
                f"predicted: shape is {guesses.shape}, and that of truth {labels.shape}"
            )
        labelled = ~np.isnan(labels)
        usable = labelled & (np.abs(guesses) <= MAX_FACTOR / 2) & (np.abs(labels) <= MAX_FACTOR / 2)
        guesses, labels = guesses[usable], labels[usable]
        errors, labels = without_tiny(guesses - labels), without_tiny(labels)
        others = labels != 0.0
        with np.errstate(over="ignore"):
            relative = np.abs(errors[others] / labels[others])
        recorder = FeatureRecorder()
        recorder.observe_numbers(errors)
        return cls(
            absolute=Mean.of(np.abs(errors)),
            percentage=Mean.of(relative[relative <= MAX_FACTOR]),
            sums=tuple(
                exact_product_units(*[errors] * of_error, *[labels] * of_truth)
                for of_error, of_truth in POWERS
            ),
            residuals=recorder.profile(),
            unlabelled=int(np.count_nonzero(~labelled)),
            unusable=int(np.count_nonzero(labelled & ~usable)),
        )

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return one content of all; the result is bit-identical for every order of *contents*."""
        parts = list(contents)
        return cls(
            absolute=Mean.merge_all(part.absolute for part in parts),
            percentage=Mean.merge_all(part.percentage for part in parts),
            sums=tuple(sum(part.sums[at] for part in parts) for at in range(len(POWERS))),
            residuals=FeatureProfile.merge_all(part.residuals for part in parts),
            unlabelled=sum(part.unlabelled for part in parts),
            unusable=sum(part.unusable for part in parts),
        )

    @property
    def count(self) -> int:
        """Number of rows with a usable true value."""
        return self.absolute.count

    @property
    def cells(self) -> int:
        """Number of rows, including those without a usable true value."""
        return self.count + self.unlabelled + self.unusable

    @property
    def type_counts(self) -> TypeCounts:
        """The number of rows, because true values are numbers."""
        return TypeCounts(numbers=self.count)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The number of rows, and the values of all metrics."""
        return {
            "count": lambda rows: float(rows.count),
            **{name: value_of(name) for name in METRICS},
        }

    def estimate(self, metric: str) -> Estimate | None:
        """Return a metric of `METRICS` with its interval; None if the rows do not define it."""
        return METRICS[metric](self)

    def estimates(self) -> Mapping[str, Estimate]:
        """Return all metrics that the rows define, by name."""
        found = {name: metric(self) for name, metric in METRICS.items()}
        return {name: one for name, one in found.items() if one is not None}

    def mean_product(self, of_error: int, of_truth: int) -> Fraction:
        """Return the exact mean of ``error^of_error * truth^of_truth``, a member of `POWERS`."""
        at = POWERS.index((of_error, of_truth))
        return Fraction(self.sums[at], self.count << UNIT_BITS)


def _root_mean_square(rows: Regression) -> Estimate | None:
    if not rows.count:
        return None
    mean, square = rows.mean_product(2, 0), rows.mean_product(4, 0)
    variance = _float((square - mean * mean) / max(rows.count - 1, 1))
    return amount(_float(mean), variance, rows.count, _alike(rows)).mapped(math.sqrt)


def _alike(rows: Regression) -> float:
    """Return the number of rows that would have the same sums of e^2 and e^4 if they were alike."""
    mean, square = rows.mean_product(2, 0), rows.mean_product(4, 0)
    return _float(mean * mean * rows.count / square) if square else 0.0


def _r_squared(rows: Regression) -> Estimate | None:
    """Return 1 - E[e^2] / V[y] with the variance of its influence function.

    A few large errors determine it as they determine the mean square, so both have one freedom.
    """
    if rows.count < 2:
        return None
    mean, square = rows.mean_product(0, 1), rows.mean_product(0, 2)
    spread, error = square - mean * mean, rows.mean_product(2, 0)
    if spread <= 0:
        return None
    unexplained = error / spread
    # Central moments of the true value, alone and with the squared error.
    fourth = (
        rows.mean_product(0, 4)
        - 4 * mean * rows.mean_product(0, 3)
        + 6 * mean * mean * square
        - 3 * mean**4
    )
    joint = rows.mean_product(2, 2) - 2 * mean * rows.mean_product(2, 1) + mean * mean * error
    influence = (
        rows.mean_product(4, 0) - 2 * unexplained * joint + unexplained * unexplained * fourth
    ) / (spread * spread)
    variance = _float(max(influence, Fraction(0)) / (rows.count - 1))
    value = _float(1 - unexplained)
    if not math.isfinite(value):
        return Estimate(value, -math.inf, 1.0, rows.count)
    found = normal(value, variance, _alike(rows))
    return Estimate(found.value, found.low, min(found.high, 1.0), rows.count)


# Metrics by name: errors in the unit of the output, and two without a unit.
METRICS: Mapping[str, Callable[[Regression], Estimate | None]] = {
    "mae": lambda rows: rows.absolute.as_amount,
    "rmse": _root_mean_square,
    "mape_ratio": lambda rows: rows.percentage.as_amount,
    "r_squared": _r_squared,
}


def _float(fraction: Fraction) -> float:
    """Return *fraction* as float64; infinity with its sign if it is too large."""
    try:
        return float(fraction)
    except OverflowError:
        return math.inf if fraction > 0 else -math.inf
