"""The conditions with which alerters judge windows; one kind per file."""

from nilometer.alert.conditions.against_baseline import AgainstBaseline
from nilometer.alert.conditions.against_other import AgainstOther
from nilometer.alert.conditions.against_previous import AgainstPrevious
from nilometer.alert.conditions.against_reference import AgainstReference
from nilometer.alert.conditions.calibrated import DEFAULT_ALERTER, Calibrated
from nilometer.alert.conditions.condition import (
    Condition,
    Fields,
    RegisteredCondition,
    WrongField,
)
from nilometer.alert.conditions.distance import Direction, Distance
from nilometer.alert.conditions.fixed import Fixed, ThresholdSide
from nilometer.alert.conditions.overdue import OWN_ALERTER, Overdue
from nilometer.alert.conditions.range import Range
from nilometer.alert.conditions.registry import CONDITIONS, condition_of
from nilometer.alert.conditions.reported import Reported
from nilometer.alert.conditions.unknown import UnknownCondition

__all__ = [
    "CONDITIONS",
    "DEFAULT_ALERTER",
    "OWN_ALERTER",
    "AgainstBaseline",
    "AgainstOther",
    "AgainstPrevious",
    "AgainstReference",
    "Calibrated",
    "Condition",
    "Direction",
    "Distance",
    "Fields",
    "Fixed",
    "Overdue",
    "Range",
    "RegisteredCondition",
    "Reported",
    "ThresholdSide",
    "UnknownCondition",
    "WrongField",
    "condition_of",
]
