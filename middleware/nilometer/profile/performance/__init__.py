"""Performance: predictions judged by their ground truth, in contents that merge exactly.

`binary`, `multiclass`, `classes_only`, `Regression.of`, `Ranking.of` and `RowMetrics.of` count rows.
`ExpectedPerformance.of` estimates performance where there is no ground truth.
"""

from typing import TypeAlias

from nilometer.profile.performance.classification import Classification
from nilometer.profile.performance.classified import Label, binary, classes_only, multiclass
from nilometer.profile.performance.estimate import CONFIDENCE, Estimate, jackknife
from nilometer.profile.performance.expected import CAVEAT, ExpectedPerformance
from nilometer.profile.performance.ranking import Ranking
from nilometer.profile.performance.regression import Regression
from nilometer.profile.performance.row_metric import RowMetric, RowMetrics, Rows, row_metric
from nilometer.profile.performance.value import ValueMatrix

Performance: TypeAlias = Classification | Regression | Ranking | RowMetrics

__all__ = [
    "CAVEAT",
    "CONFIDENCE",
    "Classification",
    "Estimate",
    "ExpectedPerformance",
    "Label",
    "Performance",
    "Ranking",
    "Regression",
    "RowMetric",
    "RowMetrics",
    "Rows",
    "ValueMatrix",
    "binary",
    "classes_only",
    "jackknife",
    "multiclass",
    "row_metric",
]
