"""RANGE: a statistic inside two bounds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A statistic must stay in [low, high].

    Attributes:
        statistic: One of `STATISTICS`.
        low: Smallest fine value.
        high: Largest fine value.
    """

    kind: ClassVar[str] = "RANGE"
    is_distance: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    threshold: ClassVar[None] = None

    statistic: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def measure(self) -> str:
        """The statistic."""
        return self.statistic

    @property
    def limit_text(self) -> str:
        """The bounds in words, as evidence shows them."""
        return f"fine in [{self.low:g}, {self.high:g}]"

    @property
    def judges_any_count(self) -> bool:
        """Whether the statistic is the count itself."""
        return self.statistic == COUNT

    def wrong(self) -> WrongField | None:
        """The first field whose value is not allowed."""
        if found := wrong_statistic(self.statistic):
            return found
        if not self.low <= self.high:
            return WrongField("low", self.low, f"at most high = {self.high}")
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
        breached = not self.low <= value <= self.high
        return with_value(self.statistic, sample.content, value, self.limit_text, breached=breached)

    def excess(self, value: float) -> float:
        """How far *value* is outside; negative inside."""
        return max(self.low - value, value - self.high)

    def limit(self, value: float) -> float:
        """The bound that *value* passed; the other one, or 0, where that is infinite."""
        bound = self.low if value < self.low else self.high
        if math.isfinite(bound):
            return bound
        return self.low if math.isfinite(self.low) else 0.0

    def fields(self) -> Fields:
        """The parameters by name."""
        return {"statistic": self.statistic, "low": self.low, "high": self.high}

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """The condition with these parameters."""
        return cls(
            statistic=str(fields["statistic"]),
            low=float(fields["low"]),
            high=float(fields["high"]),
        )
