"""RANGE: compares a statistic with two bounds."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.statistics import OfStatistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(OfStatistic):
    """A statistic that must stay in [low, high].

    Attributes:
        low: Smallest value that is not a breach.
        high: Largest value that is not a breach.
    """

    kind: ClassVar[str] = "RANGE"
    threshold: ClassVar[None] = None

    low: float = -math.inf
    high: float = math.inf

    @property
    def limit_text(self) -> str:
        """The bounds in words, as evidence shows them."""
        return f"fine in [{self.low:g}, {self.high:g}]"

    def breached(self, value: float) -> bool:
        """Return whether *value* is a breach."""
        return not self.low <= value <= self.high

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if found := self.wrong_statistic():
            return found
        if not self.low <= self.high:
            return WrongField("low", self.low, f"at most high = {self.high}")
        return None

    def excess(self, value: float) -> float:
        """Return by how much *value* is outside the bounds; negative inside."""
        return max(self.low - value, value - self.high)

    def limit(self, value: float) -> float:
        """Return the exceeded bound; if it is infinite, the other bound or 0."""
        bound = self.low if value < self.low else self.high
        if math.isfinite(bound):
            return bound
        return self.low if math.isfinite(self.low) else 0.0

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {"statistic": self.statistic, "low": self.low, "high": self.high}

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            statistic=str(fields["statistic"]),
            low=float(fields["low"]),
            high=float(fields["high"]),
        )
