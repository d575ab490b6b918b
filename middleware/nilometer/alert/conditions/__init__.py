"""What alerters hold a window against, a kind a file."""

from nilometer.alert.conditions.against_reference import AgainstReference
from nilometer.alert.conditions.condition import Condition, Fields, WrongField
from nilometer.alert.conditions.fixed import Fixed, ThresholdSide
from nilometer.alert.conditions.range import Range
from nilometer.alert.conditions.registry import CONDITIONS, condition_of

__all__ = [
    "CONDITIONS",
    "AgainstReference",
    "Condition",
    "Fields",
    "Fixed",
    "Range",
    "ThresholdSide",
    "WrongField",
    "condition_of",
]
