"""CALIBRATED: the condition of the default alerter, which the collector evaluates on merged windows.

Users cannot create this condition. It is stored with an episode. It says which component drifted,
and which tolerance applied at that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample

DEFAULT_ALERTER = "default"  # name of the default alerter, which no other alerter can have


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A component of a summary whose distance from normal exceeds its tolerance.

    Attributes:
        component: Name of the component, such as ``position`` or ``missing``.
        unit: Unit of the effect.
        tolerance: Largest distance from normal that does not count as drift, in this unit.
        budget_days: Mean number of days between false alarms of the entity.
    """

    kind: ClassVar[str] = "CALIBRATED"
    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    reference: ClassVar[str] = ""

    component: str
    unit: str = ""
    tolerance: float = 0.0
    budget_days: float = 30.0

    @property
    def measure(self) -> str:
        """The component."""
        return self.component

    @property
    def threshold(self) -> float:
        """The tolerance."""
        return self.tolerance

    @property
    def limit_text(self) -> str:
        """The budget in words."""
        return f"at most one false alarm in {self.budget_days:g} days"

    def wrong(self) -> None:
        """Return None, because the collector always creates valid conditions."""

    def observations(self, content: Content) -> int:
        """Return the number of values of *content*."""
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Return NOT_JUDGED, because this condition needs more than one window."""
        del sample, references
        return Judgement(Verdict.NOT_JUDGED, "the collector judges merged windows")

    def excess(self, value: float) -> float:
        """Return by how much *value* exceeds the tolerance; negative within it."""
        return value - self.tolerance

    def limit(self, value: float) -> float:
        """Return the tolerance."""
        del value
        return self.tolerance

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {
            "component": self.component,
            "unit": self.unit,
            "tolerance": self.tolerance,
            "budget_days": self.budget_days,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            component=str(fields["component"]),
            unit=str(fields["unit"]),
            tolerance=float(fields["tolerance"]),
            budget_days=float(fields["budget_days"]),
        )
