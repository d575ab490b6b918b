"""REFERENCE: compares the distance from a reference with a threshold."""

from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.distance import Distance, comparator_of, direction_of
from nilometer.alert.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstReference(Distance):
    """A column that must stay close to the same column of a reference.

    Attributes:
        reference: Name of the reference.
    """

    kind: ClassVar[str] = "REFERENCE"
    missing: ClassVar[Reason] = Reason.NO_SUCH_REFERENCE

    reference: str

    @property
    def side(self) -> str:
        """The name of the reference."""
        return self.reference

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not self.reference:
            return WrongField("reference", self.reference, "a reference name")
        return Distance.wrong(self)

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {"reference": self.reference, **Distance.fields(self)}

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            reference=str(fields["reference"]),
            threshold=float(fields["threshold"]),
            comparator=comparator_of(fields),
            direction=direction_of(fields),
        )
