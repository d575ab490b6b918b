"""The business value of predictions: what each pair of a predicted and a true class is worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nilometer.profile.performance import rates
from nilometer.profile.performance.classification import Classification, Pair
from nilometer.profile.performance.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMatrix:
    """The value of one row of each pair of classes; costs are negative.

    Attributes:
        values: Value by predicted and true class.
        default: Value of every pair that is not in *values*.
        unit: Unit of the values, such as ``EUR``.
    """

    values: Mapping[Pair, float]
    default: float = 0.0
    unit: str = ""

    def of(self, predicted: str, true: str) -> float:
        """Return the value of one row."""
        return self.values.get((predicted, true), self.default)

    def per_row(self, rows: Classification) -> Estimate | None:
        """Return the mean value of a labelled row, in `unit`; None without rows."""
        classes = rows.classes
        values = [[self.of(guess, true) for true in classes] for guess in classes]
        matrix = rows.matrix
        found = rates.value_of(matrix, np.array(values)) if rows.count else None
        return None if found is None else found.as_number(matrix)

    def total(self, rows: Classification) -> Estimate | None:
        """Return the value of all labelled rows, in `unit`; None without rows."""
        mean = self.per_row(rows)
        return None if mean is None else mean.mapped(lambda value: value * rows.count)
