"""All conditions by kind; a new kind is one file and one entry here."""

from nilometer.alert.conditions.against_reference import AgainstReference
from nilometer.alert.conditions.condition import Condition
from nilometer.alert.conditions.fixed import Fixed
from nilometer.alert.conditions.range import Range

CONDITIONS: dict[str, type[Condition]] = {
    Fixed.kind: Fixed,
    Range.kind: Range,
    AgainstReference.kind: AgainstReference,
}
