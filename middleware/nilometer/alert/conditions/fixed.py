"""FIXED: compares a statistic with one threshold."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.statistics import OfStatistic
from nilometer.values.nearest import not_one_of


class ThresholdSide(Enum):
    """The side of a threshold on which a value is a breach."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @classmethod
    def _missing_(cls, value: object) -> "ThresholdSide":
        raise ValueError(not_one_of("comparison", value, (one.value for one in cls)))

    @property
    def is_below(self) -> bool:
        """Whether values below the threshold are breaches."""
        return self in {ThresholdSide.BELOW, ThresholdSide.AT_MOST}

    def breached(self, value: float, threshold: float) -> bool:
        """Return whether *value* is a breach."""
        match self:
            case ThresholdSide.ABOVE:
                return value > threshold
            case ThresholdSide.AT_LEAST:
                return value >= threshold
            case ThresholdSide.BELOW:
                return value < threshold
            case ThresholdSide.AT_MOST:
                return value <= threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(OfStatistic):
    """A statistic that must stay on one side of a threshold.

    Attributes:
        threshold: Limit in the unit of the statistic; finite.
        side: Side of the threshold that is a breach.
    """

    kind: ClassVar[str] = "FIXED"

    threshold: float
    side: ThresholdSide = ThresholdSide.ABOVE

    @property
    def limit_text(self) -> str:
        """The limit in words, as evidence shows it."""
        return f"alert when {self.side.value} {self.threshold:g}"

    def breached(self, value: float) -> bool:
        """Return whether *value* is a breach."""
        return self.side.breached(value, self.threshold)

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if found := self.wrong_statistic():
            return found
        if not math.isfinite(self.threshold):
            return WrongField("threshold", self.threshold, "a finite number")
        return None

    def excess(self, value: float) -> float:
        """Return by how much *value* exceeds the threshold; negative within it."""
        over = value - self.threshold
        return -over if self.side.is_below else over

    def limit(self, value: float) -> float:
        """Return the threshold."""
        del value
        return self.threshold

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {
            "statistic": self.statistic,
            "comparison": self.side.value,
            "threshold": self.threshold,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            statistic=str(fields["statistic"]),
            side=ThresholdSide(fields["comparison"] or ThresholdSide.ABOVE.value),
            threshold=float(fields["threshold"]),
        )
