"""The difference of two logged contents of one type: a distance, and the changes.

Every distance is 0 to 1 and symmetric: 0 for equal sides, 1 for sides with nothing in common. For numbers
it is ``sum(|c - r|) / sum(|c| + |r|)`` over all keys of both sides, with 0 where a side lacks one (the
distance of Bray and Curtis, "An ordination of the upland forest communities of southern Wisconsin",
1957). Lines are compared where both have x: by the area between them over the area below. A confusion
matrix, a distribution, categories and scores are compared by shares: the total variation distance.
So are the rows of a classifier, by predicted and true class, and the errors of a regression.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nilometer.compare.bins import reference_column
from nilometer.compare.comparison import NotCompared, compare
from nilometer.compare.shares import Floats
from nilometer.compare.total_variation import TOTAL_VARIATION
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.logged.amounts import Aggregation, Amount, Amounts, Head, K
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import ROW, RowKey, Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Classification, Regression
from nilometer.profile.reference import INPUT_BINS
from nilometer.profile.score import ScoreProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much the current side differs from the reference.

    Attributes:
        distance: Distance, 0 to 1; None if the sides cannot be compared.
        change: Current side minus the reference, of the same type; None for texts, distributions,
            categories and scores, or without a distance.
        why: Reason why the distance is undefined; else empty.
    """

    distance: float | None
    change: Content | None = None
    why: str = ""


def difference(reference: Content, current: Content) -> Difference:
    """Return the difference of *current* from *reference*."""
    if type(reference) is not type(current):
        return Difference(distance=None, why="the sides have different types")
    between = _BY_TYPE.get(type(current))
    if between is None:
        return Difference(distance=None, why=f"no difference of contents of type {current.kind}")
    if not reference.count or not current.count:
        return Difference(distance=None, why="a side has no samples")
    return between(reference, current)


def _of_numbers(reference: Number, current: Number) -> Difference:
    past, now = _values(reference.amounts), _values(current.amounts)
    return Difference(
        distance=_bray_curtis(past, now), change=Number(_change(current.amounts, past, now))
    )


def _of_texts(reference: Text, current: Text) -> Difference:
    return Difference(distance=float(reference.value != current.value))


def _of_matrices(reference: Matrix, current: Matrix) -> Difference:
    if reference.header != current.header:
        return Difference(distance=None, why="the matrices have different shapes")
    past, now = _values(reference.amounts), _values(current.amounts)
    change = Matrix(current.rows, current.columns, _change(current.amounts, past, now))
    return Difference(distance=_bray_curtis(past, now), change=change)


def _of_tables(reference: Table, current: Table) -> Difference:
    """Compare rows with equal texts. Tables without numbers are compared by their common rows."""
    if reference.columns != current.columns:
        return Difference(distance=None, why="the tables have different columns")
    try:
        reference, current = Table.aligned([reference, current])
    except ValueError as error:
        return Difference(distance=None, why=str(error))
    past, now = _table_values(reference), _table_values(current)
    numbers = {key for key in past.keys() | now.keys() if key[1] != ROW}
    keys = numbers or past.keys() | now.keys()
    distance = _bray_curtis(
        {key: past[key] for key in keys & past.keys()},
        {key: now[key] for key in keys & now.keys()},
    )
    head = Head(Aggregation.SUM, current.amounts.unit, current.amounts.stamp)
    cells = {
        key: Amount.of(1.0 if key[1] == ROW else now.get(key, 0.0) - past.get(key, 0.0), head[0])
        for key in past.keys() | now.keys()
    }
    change = Table(current.columns, current.texts, Amounts.of(head, cells))
    return Difference(distance=distance, change=change)


def _of_confusion_matrices(reference: ConfusionMatrix, current: ConfusionMatrix) -> Difference:
    past, now = _shares(reference), _shares(current)
    if past is None or now is None:
        return Difference(distance=None, why="a side has no predictions")
    labels = tuple(sorted({*reference.labels, *current.labels}))
    change = ConfusionMatrix(labels, _change(current.amounts, past, now))
    return Difference(distance=_bray_curtis(past, now), change=change)


def _of_classifications(reference: Classification, current: Classification) -> Difference:
    sides = (
        {pair: count / side.count for pair, count in side.confusion.items()}
        for side in (reference, current)
    )
    return Difference(distance=_bray_curtis(*sides))


def _of_regressions(reference: Regression, current: Regression) -> Difference:
    return _of_features(reference.residuals, current.residuals)


def _of_lines(reference: Line, current: Line) -> Difference:
    """Compare linearly interpolated lines where both are defined."""
    past, now = np.array(reference.points), np.array(current.points)
    if not past.size or not now.size:
        return Difference(distance=None, why="a side has no points")
    low, high = max(past[0, 0], now[0, 0]), min(past[-1, 0], now[-1, 0])
    if low > high:
        return Difference(distance=None, why="the lines have no x in common")
    every = np.unique(np.concatenate([past[:, 0], now[:, 0]]))
    grid = every[(every >= low) & (every <= high)]
    with np.errstate(over="ignore", invalid="ignore"):
        before, after = (np.interp(grid, side[:, 0], side[:, 1]) for side in (past, now))
        sizes = [high - low, *(after - before)]
    if not np.isfinite(sizes).all():
        return Difference(distance=None, why="the lines are too steep or too long to compare")
    changes = {(x,): y for x, y in zip(grid.tolist(), (after - before).tolist(), strict=True)}
    highest = max(float(np.abs(before).max()), float(np.abs(after).max()))
    before, after = (side / (highest or 1.0) for side in (before, after))
    total = _area(grid, np.abs(before) + np.abs(after))
    between = _area(grid, np.abs(after - before))
    return Difference(
        distance=min(between / total, 1.0) if total else 0.0,
        change=Line(_amounts_of(current.amounts, changes)),
    )


def _area(x: Floats, y: Floats) -> float:
    """Return the area below a line by the trapezoidal rule; a single point gives its y."""
    if x.size == 1:
        return float(y[0])
    share = (x - x[0]) / (x[-1] - x[0])
    return float((np.diff(share) * (y[1:] + y[:-1]) / 2.0).sum())


def _of_features(reference: FeatureProfile, current: FeatureProfile) -> Difference:
    found = compare(TOTAL_VARIATION, reference_column(reference, INPUT_BINS), current)
    if isinstance(found, NotCompared):
        return Difference(distance=None, why=found.why)
    return Difference(distance=found.value)


def _of_scores(reference: ScoreProfile, current: ScoreProfile) -> Difference:
    if reference.thresholds != current.thresholds:
        return Difference(distance=None, why="the sides have different thresholds")
    past, now = (
        {
            (pair, at): count / side.count
            for pair, bins in side.classes.items()
            for at, count in enumerate(bins.counts.tolist())
        }
        for side in (reference, current)
    )
    return Difference(distance=_bray_curtis(past, now))


def _values(amounts: Amounts[K]) -> dict[K, float]:
    found = {key: amounts.value(key) for key in amounts.cells}
    return {key: value for key, value in found.items() if value is not None}


def _table_values(table: Table) -> dict[Any, float]:
    """Return the numbers of a table by its texts; rows with equal texts are numbered."""
    amounts = table.amounts
    seen: dict[RowKey, int] = {}
    names: dict[RowKey, RowKey] = {}
    if amounts.aggregation is not Aggregation.LAST:
        return _values(amounts)
    for key in sorted(key for key, column in amounts.cells if column == ROW):
        number = seen.get(key[1:], 0)
        seen[key[1:]] = number + 1
        names[key] = (f"{number:04d}", *key[1:])
    return {(names[key], column): value for (key, column), value in _values(amounts).items()}


def _shares(matrix: ConfusionMatrix) -> dict[tuple[str, str], float] | None:
    values = _values(matrix.amounts)
    total = sum(values.values())
    return {key: value / total for key, value in values.items()} if total else None


def _bray_curtis(past: Mapping[K, float], now: Mapping[K, float]) -> float:
    keys = sorted(past.keys() | now.keys())
    pairs = [(past.get(key, 0.0), now.get(key, 0.0)) for key in keys]
    total = sum(abs(before) + abs(after) for before, after in pairs)
    return sum(abs(after - before) for before, after in pairs) / total if total else 0.0


def _change(amounts: Amounts[K], past: Mapping[K, float], now: Mapping[K, float]) -> Amounts[K]:
    keys = past.keys() | now.keys()
    return _amounts_of(amounts, {key: now.get(key, 0.0) - past.get(key, 0.0) for key in keys})


def _amounts_of(amounts: Amounts[K], values: Mapping[K, float]) -> Amounts[K]:
    head = Head(Aggregation.SUM, amounts.unit, amounts.stamp)
    return Amounts.of(
        head, {key: Amount.of(value, head.aggregation) for key, value in values.items()}
    )


# `Any`, because each function takes only the content type of its key.
_BY_TYPE: Mapping[type[Content], Callable[[Any, Any], Difference]] = {
    Number: _of_numbers,
    FeatureProfile: _of_features,
    ScoreProfile: _of_scores,
    Text: _of_texts,
    Table: _of_tables,
    Matrix: _of_matrices,
    Line: _of_lines,
    ConfusionMatrix: _of_confusion_matrices,
    Classification: _of_classifications,
    Regression: _of_regressions,
}
