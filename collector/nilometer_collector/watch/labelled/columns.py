"""Performance as a column, so that errors are judged like the shares and numbers of features.

A classifier has shares: its error rate, the error rate of each rare class, the Brier score, and the
logarithmic loss as a share of the loss of a guess. Only a rise of them is judged. A regression has
the distribution of its errors: a change of its position is a bias, and a change of its scale
changes the absolute error.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard

import numpy as np

from nilometer.alert.calibrated.columns import Column, Floats, Rate, Total
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.tolerance import Tolerance
from nilometer.compare import reference_column
from nilometer.profile import Content
from nilometer.profile.performance import Classification, Regression
from nilometer.profile.performance.classification import UNKNOWN
from nilometer.profile.reference import INPUT_BINS
from nilometer.values.labels import OVERFLOW_KEY

RARE = 0.25  # classes with a larger share of the rows show in the error rate of all rows
MOST_CLASSES = 8  # classes with an error rate of their own; more would share the budget too thinly
LEAST_OF_CLASS = 30  # fewest learned rows of such a class
ERROR_RATE = "error rate"
BRIER = "Brier score"
LOG_LOSS = "relative log-loss"  # divided by that of a guess
TOLERANCE = Tolerance(rate=0.03, rate_deviations=0.0)

Judged: TypeAlias = Classification | Regression  # the kinds of performance that are judged


def is_judged(content: Content) -> TypeGuard[Judged]:
    """Return whether the default alerter judges a *content* by its ground truth."""
    return isinstance(content, Classification | Regression)


def merged_rows(parts: Sequence[Judged]) -> Judged | None:
    """Return the rows of all *parts*, of the kind of the first; None without parts."""
    classified = [one for one in parts if isinstance(one, Classification)]
    regressed = [one for one in parts if isinstance(one, Regression)]
    if classified and isinstance(parts[0], Classification):
        return Classification.merge_all(classified)
    return Regression.merge_all(regressed) if regressed else None


def performance_column(summary: str, rows: Judged) -> SummaryColumn | None:
    """Return the column of *summary*, learned from its labelled *rows*; None without any."""
    if not rows.count:
        return None
    if isinstance(rows, Regression):
        learned = reference_column(rows.residuals, INPUT_BINS)
        return SummaryColumn(column=Column.of(summary, learned), tolerance=TOLERANCE)
    names = _classes(rows)
    rates = [Rate(ERROR_RATE, Total.CELLS, 1.0 - rows.correct / rows.count, rises_only=True)]
    if rows.brier.count:
        rates += [
            Rate(name, Total.NUMBERS, 0.0, rises_only=True)
            for name in (BRIER, LOG_LOSS)
            if name == LOG_LOSS or rows.positive is not None
        ]
    rates += [
        Rate(f"error rate of class {name}", -1 - place, 0.0, rises_only=True)
        for place, name in enumerate(names)
    ]
    column = Column(
        summary=summary,
        shares=np.zeros(0),
        rates=tuple(rates),
        rows=float(rows.count),
        own_totals=len(names),
    )
    return SummaryColumn(column=column, names=names, tolerance=TOLERANCE)


def performance_vector(counted: SummaryColumn, rows: Judged) -> Floats:
    """Return the counts of *rows* for the column of `performance_column`."""
    column = counted.column
    if isinstance(rows, Regression):
        return column.vector(rows.residuals)
    wrong, total = _by_true_class(rows)
    shares = {
        ERROR_RATE: float(rows.count - rows.correct),
        BRIER: rows.brier.count * (rows.brier.value or 0.0),
        LOG_LOSS: rows.brier.count * _relative_loss(rows),
    }
    named = [shares[rate.name] for rate in column.rates if rate.name in shares]
    errors = [float(wrong.get(name, 0)) for name in counted.names]
    own = [float(total.get(name, 0)) for name in reversed(counted.names)]
    totals = [rows.count, rows.brier.count, 0.0, 0.0, 0.0]
    return np.array([*named, *errors, *own, *totals], np.float64)


def _relative_loss(rows: Classification) -> float:
    """Return the mean logarithmic loss divided by that of a guess, at most 1."""
    guess = math.log(max(len(rows.scores), 2))
    return min((rows.log_loss.value or 0.0) / guess, 1.0)


def _classes(rows: Classification) -> tuple[str, ...]:
    """Return the true classes whose errors are judged; none if there are too many classes."""
    _, total = _by_true_class(rows)
    if len(total) > MOST_CLASSES:
        return ()
    most = RARE * rows.count
    return tuple(sorted(name for name, count in total.items() if LEAST_OF_CLASS <= count < most))


def _by_true_class(rows: Classification) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of wrong rows and of all rows, by true class."""
    wrong: dict[str, int] = {}
    total: dict[str, int] = {}
    for (predicted, true), count in rows.confusion.items():
        if true in (UNKNOWN, OVERFLOW_KEY):
            continue
        total[true] = total.get(true, 0) + count
        if predicted != true:
            wrong[true] = wrong.get(true, 0) + count
    return wrong, total
