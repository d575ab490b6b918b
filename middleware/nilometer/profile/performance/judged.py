"""What all contents of judged predictions share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Self

from nilometer.profile.content import DataType, TypeCounts
from nilometer.profile.performance.estimate import Estimate


class Judged(ABC):
    """Predictions that were joined with their ground truth."""

    __slots__ = ()

    @property
    @abstractmethod
    def type_counts(self) -> TypeCounts:
        """The number of judged rows by the type of their truth."""

    @property
    def data_type(self) -> DataType:
        """Type of the truth; ``empty`` without rows."""
        return self.type_counts.data_type

    def scaled(self, factor: float) -> Self:
        """Return itself, because only rows that were joined with their truth are counted."""
        del factor
        return self

    def suppressed(self, fewest: int) -> Self:
        """Return itself: names of classes and metrics are defined by the model or its user."""
        del fewest
        return self

    @abstractmethod
    def estimates(self) -> Mapping[str, Estimate]:
        """Return all metrics that the rows define, by name."""

    def estimate(self, metric: str) -> Estimate | None:
        """Return a metric with its interval; None if the rows do not define it."""
        return self.estimates().get(metric)

    def value(self, metric: str) -> float | None:
        """Return a metric without its interval; None if the rows do not define it."""
        found = self.estimate(metric)
        return None if found is None else found.value


def value_of(metric: str) -> Callable[[Judged], float | None]:
    """Return a function that returns *metric* of a content, as `Content.statistics` needs it."""

    def value(rows: Judged) -> float | None:
        return rows.value(metric)

    return value
