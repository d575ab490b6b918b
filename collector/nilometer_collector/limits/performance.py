"""Checks of performance before it is stored."""

import numpy as np

from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer.profile.performance.classification import MAX_CLASSES
from nilometer.profile.performance.mean import Mean
from nilometer.profile.performance.regression import POWERS
from nilometer.sketch.exact import MAX_FACTOR, UNIT_BITS
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import MAX_NAME_BYTES, check_counts, check_text
from nilometer_collector.limits.feature import check_feature

MOST_LOSS = 37  # nats of the smallest score, rounded up
MOST_UNITS = 10**289 << UNIT_BITS  # a sum of 20,000 such sums is finite


def check_classification(rows: Classification) -> None:
    """Refuse rows of a classifier that cannot be merged or shown."""
    check_counts("classification", (*rows.confusion.values(), rows.unlabelled, rows.unscored))
    check_counts("classification", (rows.count, rows.cells))
    for name in rows.classes:
        check_text("classes", name, MAX_NAME_BYTES)
    for cells in rows.scores.values():
        scored = int(cells.counts.sum())
        check_counts("scores", (scored,))
        if scored > rows.log_loss.count:
            raise Refused("scores: are more than the rows with a loss")
        # A score is at most 1, which is 2^30 units.
        if (np.abs(cells.sums) > cells.counts << 30).any():
            raise Refused("scores: a sum is larger than its number of scores")
    _check_scored(rows)
    if rows.log_loss.count > rows.count or rows.brier.count > rows.count:
        raise Refused("classification: has more losses than rows")
    _check_means(rows.log_loss, rows.brier)
    _check_range("log_loss", rows.log_loss, MOST_LOSS)
    # A squared distance is added over all scored classes.
    _check_range("brier", rows.brier, 1 if rows.positive is not None else MAX_CLASSES)


def check_regression(rows: Regression) -> None:
    """Refuse rows of a regression that cannot be merged or shown."""
    check_counts("regression", (rows.count, rows.unlabelled, rows.unusable))
    check_feature(rows.residuals)
    _check_means(rows.absolute, rows.percentage)
    for mean in (rows.absolute, rows.percentage):
        _check_range("regression", mean, int(MAX_FACTOR))
    for (of_error, of_truth), units in zip(POWERS, rows.sums, strict=True):
        most = rows.count * int(MAX_FACTOR) ** (of_error + of_truth) << UNIT_BITS
        if abs(units) > most or (units < 0 and not (of_error | of_truth) & 1):
            raise Refused("regression: a sum is larger than its rows allow")


def check_ranking(lists: Ranking) -> None:
    """Refuse lists that cannot be merged or shown."""
    check_counts("ranking", (lists.count, lists.without_relevant, *lists.hits.values()))
    _check_means(lists.reciprocal_ranks, *lists.gains.values())
    for mean in (lists.reciprocal_ranks, *lists.gains.values()):
        _check_range("ranking", mean, 1)
    hits = [lists.hits[rank] for rank in sorted(lists.hits)]
    if hits != sorted(hits):
        raise Refused("hits: a longer list must not have fewer hits")


def check_row_metrics(metrics: RowMetrics) -> None:
    """Refuse metrics of a user that cannot be merged or shown."""
    check_counts("row_metrics", (metrics.rows,))
    for name, unit in metrics.means:
        check_text("metrics", name, MAX_NAME_BYTES)
        check_text("unit", unit, MAX_NAME_BYTES)
    _check_means(*metrics.means.values())


def _check_scored(rows: Classification) -> None:
    """Refuse scores of more rows than the confusion has, by predicted and true class."""
    matrix = rows.matrix
    for name, cells in rows.scores.items():
        at = rows.classes.index(name)
        both, predicted, true = matrix[at, at], matrix[at].sum(), matrix[:, at].sum()
        others = matrix.sum() - predicted - true + both
        allowed = [[others, true - both], [predicted - both, both]]
        if (cells.counts.sum(axis=2) > np.array(allowed)).any():
            raise Refused("scores: are of more rows than the confusion has")


def _check_range(what: str, mean: Mean, most: int) -> None:
    """Refuse a mean that cannot be of numbers from 0 to *most*."""
    if not 0 <= mean.total <= (mean.count * most) << UNIT_BITS:
        raise Refused(f"{what}: a mean must be from 0 to {most}")
    if mean.squares > mean.total * most:
        raise Refused(f"{what}: the squares of a mean are too large for its sum")


def _check_means(*means: Mean) -> None:
    check_counts("rows of a mean", (mean.count for mean in means))
    if any(max(abs(mean.total), mean.squares) > MOST_UNITS for mean in means):
        raise Refused("a sum of a mean is too large")
