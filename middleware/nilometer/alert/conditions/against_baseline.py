"""BASELINE: compares the distance from the earlier days with a threshold."""

from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.distance import Distance, comparator_of, direction_of
from nilometer.alert.reason import Reason

MOST_DAYS = 60
USUAL_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstBaseline(Distance):
    """A column that must stay close to the same column in the days before.

    Attributes:
        days: Number of whole days, UTC, that end before the day of the window; 1 to 60.
        same_hour: Whether only the same hour of each of these days counts, so that a daily pattern
            is no distance.
    """

    kind: ClassVar[str] = "BASELINE"
    reference: ClassVar[str] = ""
    side: ClassVar[str] = "baseline"
    missing: ClassVar[Reason] = Reason.NO_EARLIER_WINDOW

    days: int = USUAL_DAYS
    same_hour: bool = False

    @property
    def other_text(self) -> str:
        """The other side in words."""
        return f"baseline of {self.days} earlier days"

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not 1 <= self.days <= MOST_DAYS:
            return WrongField("days", self.days, f"1 to {MOST_DAYS}")
        return Distance.wrong(self)

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {
            **Distance.fields(self),
            "days": float(self.days),
            "same_hour": float(self.same_hour),
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        days, same_hour = float(fields.get("days", USUAL_DAYS)), fields.get("same_hour", 0.0)
        if not days.is_integer():
            raise ValueError(f"days = {days:g}: must be a whole number")
        if same_hour not in {0.0, 1.0}:
            raise ValueError(f"same_hour = {same_hour!r}: must be 0 or 1")
        return cls(
            days=int(days),
            same_hour=bool(same_hour),
            threshold=float(fields["threshold"]),
            comparator=comparator_of(fields),
            direction=direction_of(fields),
        )
