"""FIXED: a statistic against one threshold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.statistics import (
    observations_behind,
    value_of,
    with_value,
    without_value,
    wrong_statistic,
)
from nilometer.alert.judgement import Judgement
from nilometer.alert.statistic import COUNT
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample


class ThresholdSide(Enum):
    """On which side of its threshold a statistic is a breach."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def is_below(self) -> bool:
        """Whether small values are the breach."""
        return self in {ThresholdSide.BELOW, ThresholdSide.AT_MOST}

    def breached(self, value: float, threshold: float) -> bool:
        """Whether *value* is on the wrong side."""
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
class Fixed:
    """A statistic must stay on the right side of one threshold.

    Attributes:
        statistic: One of `STATISTICS`.
        side: Which side is a breach.
        threshold: Limit in the unit of the statistic; finite.
    """

    kind: ClassVar[str] = "FIXED"
    is_distance: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    statistic: str
    side: ThresholdSide = ThresholdSide.ABOVE
    threshold: float = 0.0

    @property
    def measure(self) -> str:
        """The statistic."""
        return self.statistic

    @property
    def limit_text(self) -> str:
        """The limit in words, as evidence shows it."""
        return f"alert when {self.side.value} {self.threshold:g}"

    @property
    def judges_any_count(self) -> bool:
        """Whether the statistic is the count itself."""
        return self.statistic == COUNT

    def wrong(self) -> WrongField | None:
        """The first field whose value is not allowed."""
        if found := wrong_statistic(self.statistic):
            return found
        if not math.isfinite(self.threshold):
            return WrongField("threshold", self.threshold, "a finite number")
        return None

    def observations(self, content: Content) -> int:
        """How many observations the statistic rests on."""
        return observations_behind(self.statistic, content)

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """The verdict on *sample*."""
        del references
        value = value_of(self.statistic, sample.content)
        if value is None:
            return without_value(self.statistic)
        breached = self.side.breached(value, self.threshold)
        return with_value(self.statistic, sample.content, value, self.limit_text, breached=breached)

    def excess(self, value: float) -> float:
        """How far *value* is on the wrong side."""
        over = value - self.threshold
        return -over if self.side.is_below else over

    def limit(self, value: float) -> float:
        """The threshold."""
        del value
        return self.threshold

    def fields(self) -> Fields:
        """The parameters by name."""
        return {
            "statistic": self.statistic,
            "comparison": self.side.value,
            "threshold": self.threshold,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """The condition with these parameters."""
        return cls(
            statistic=str(fields["statistic"]),
            side=ThresholdSide(fields["comparison"] or ThresholdSide.ABOVE.value),
            threshold=float(fields["threshold"]),
        )
