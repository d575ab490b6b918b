"""OVERDUE: the condition of the alerter that watches the monitoring itself.

Users cannot create it. The collector evaluates it by the clock, and stores it with an episode.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample

OWN_ALERTER = "nilometer"  # name of the alerter on the monitoring, which no other alerter can have


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Something that the monitoring waits for, longer than it should.

    Attributes:
        limit_seconds: Longest time that is fine.
    """

    kind: ClassVar[str] = "OVERDUE"
    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    reference: ClassVar[str] = ""
    measure: ClassVar[str] = "overdue_seconds"
    unit: ClassVar[str] = "s"

    limit_seconds: float

    @property
    def threshold(self) -> float:
        """The longest time that is fine."""
        return self.limit_seconds

    @property
    def limit_text(self) -> str:
        """The limit in words."""
        return f"alert when > {self.limit_seconds:g} s"

    def wrong(self) -> None:
        """Return None: the collector makes the condition."""

    def observations(self, content: Content) -> int:
        """Return the number of values of *content*."""
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Return NOT_JUDGED: no window decides."""
        del sample, references
        return Judgement(Verdict.NOT_JUDGED, "the collector judges by the clock")

    def excess(self, value: float) -> float:
        """Return by how many seconds *value* exceeds the limit; negative within it."""
        return value - self.limit_seconds

    def limit(self, value: float) -> float:
        """Return the limit in seconds."""
        del value
        return self.limit_seconds

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {"limit_seconds": self.limit_seconds}

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(limit_seconds=float(fields["limit_seconds"]))
