"""PREVIOUS: compares the distance from the window before with a threshold."""

from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields
from nilometer.alert.conditions.distance import Distance, comparator_of, direction_of
from nilometer.alert.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstPrevious(Distance):
    """A column that must stay close to the same column in the window before."""

    kind: ClassVar[str] = "PREVIOUS"
    reference: ClassVar[str] = ""
    side: ClassVar[str] = "previous window"
    other_text: ClassVar[str] = "previous window"
    missing: ClassVar[Reason] = Reason.NO_EARLIER_WINDOW

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            threshold=float(fields["threshold"]),
            comparator=comparator_of(fields),
            direction=direction_of(fields),
        )
