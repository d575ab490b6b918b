"""Metrics that users write: a function from the rows to one number for each row.

Three lines are a metric, with an interval, for any labels and windows:

    @row_metric(unit="EUR")
    def late_fee(rows: Rows) -> Floats:
        return 30.0 * ((rows.truth == "late") & (rows.predicted != "late"))

A metric that is a function of counts, such as a ratio of cells of a confusion matrix, needs no rows:
`nilometer.profile.performance.estimate.jackknife` gives its interval.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.content import TypeCounts
from nilometer.profile.performance.estimate import Estimate
from nilometer.profile.performance.judged import Judged
from nilometer.profile.performance.mean import NO_MEAN, Mean
from nilometer.sketch.exact import Floats

MAX_METRICS = 64  # most metrics of a content


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Labelled rows, all arrays of shape (n,).

    Attributes:
        predicted: Predicted classes or values.
        truth: True classes or values.
        scores: Scores of the predictions; None if they are not known.
    """

    predicted: NDArray[Any]
    truth: NDArray[Any]
    scores: Floats | None = None


Function: TypeAlias = Callable[[Rows], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMetric:
    """A metric: the mean over rows of the numbers that a function returns.

    Attributes:
        name: Name of the metric.
        unit: Unit of the numbers, such as ``EUR``; metrics of different units do not merge.
        function: Function from *n* rows to numbers of shape (n,); NaN is a row without a number.
    """

    name: str
    unit: str
    function: Function


def row_metric(unit: str = "") -> Callable[[Function], RowMetric]:
    """Return a decorator that makes a function a metric of the function's name.

    Args:
        unit: Unit of the numbers that the function returns.
    """

    def decorated(function: Function) -> RowMetric:
        return RowMetric(name=function.__name__, unit=unit, function=function)

    return decorated


@dataclass(frozen=True, slots=True)
class RowMetrics(Judged):
    """Means of metrics that users wrote. Any order and grouping of merges gives the same bits.

    Attributes:
        rows: Number of rows.
        means: Mean by name of the metric and unit.
    """

    kind: ClassVar[str] = "row_metrics"

    rows: int = 0
    means: Mapping[tuple[str, str], Mean] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows, metrics: Sequence[RowMetric]) -> Self:
        """Return the means of *metrics* over *rows*.

        Raises:
            ValueError: If there are over `MAX_METRICS` metrics, a name repeats, or a metric returns
                another shape or a number over `MAX_FACTOR`.
        """
        if len(metrics) > MAX_METRICS or len({one.name for one in metrics}) < len(metrics):
            raise ValueError(f"metrics: must be at most {MAX_METRICS}, each name once")
        means = {}
        for metric in metrics:
            values = np.asarray(metric.function(rows), dtype=np.float64)
            if values.shape != rows.truth.shape:
                raise ValueError(
                    f"metrics: {metric.name} returned {values.shape} for {rows.truth.shape}"
                )
            means[metric.name, metric.unit] = Mean.of(values[~np.isnan(values)])
        return cls(int(rows.truth.size), means)

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return one content of all, with the first `MAX_METRICS` metrics by name and unit."""
        parts = list(contents)
        names = sorted({name for part in parts for name in part.means})[:MAX_METRICS]
        return cls(
            sum(part.rows for part in parts),
            {
                name: Mean.merge_all(part.means.get(name, NO_MEAN) for part in parts)
                for name in names
            },
        )

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.rows

    @property
    def cells(self) -> int:
        """Number of rows."""
        return self.rows

    @property
    def type_counts(self) -> TypeCounts:
        """The number of rows, because a metric is a number."""
        return TypeCounts(numbers=self.rows)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The number of rows, because the names of metrics are the user's."""
        return {"count": lambda rows: float(rows.count)}

    def estimates(self) -> Mapping[str, Estimate]:
        """Return all metrics with a row, by name; of several units, ``name (unit)``."""
        names = [name for name, _ in self.means]
        found = {
            name if names.count(name) == 1 else f"{name} ({unit})": mean.estimate
            for (name, unit), mean in self.means.items()
        }
        return {name: one for name, one in found.items() if one is not None}
