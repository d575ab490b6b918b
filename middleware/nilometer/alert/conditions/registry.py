"""All conditions by kind. A new kind needs one file, and one entry here or in a `Kinds`."""

from nilometer.alert.conditions.against_baseline import AgainstBaseline
from nilometer.alert.conditions.against_other import AgainstOther
from nilometer.alert.conditions.against_previous import AgainstPrevious
from nilometer.alert.conditions.against_reference import AgainstReference
from nilometer.alert.conditions.condition import Condition, Fields, RegisteredCondition
from nilometer.alert.conditions.fixed import Fixed
from nilometer.alert.conditions.range import Range
from nilometer.alert.conditions.reported import Reported
from nilometer.values.nearest import not_one_of

CONDITIONS: dict[str, type[RegisteredCondition]] = {
    Fixed.kind: Fixed,
    Range.kind: Range,
    AgainstReference.kind: AgainstReference,
    AgainstPrevious.kind: AgainstPrevious,
    AgainstBaseline.kind: AgainstBaseline,
    AgainstOther.kind: AgainstOther,
    Reported.kind: Reported,
}


def condition_of(kind: str, fields: Fields) -> Condition:
    """Return the condition of *kind* with the parameters *fields*.

    Raises:
        ValueError: If no condition of *kind* is registered, or a parameter is missing or not
            allowed. Any error of the condition becomes a ValueError.
    """
    condition = CONDITIONS.get(kind)
    if condition is None:
        raise ValueError(not_one_of("kind", kind, CONDITIONS))
    try:
        return condition.of_fields(fields)
    except KeyError as error:
        raise ValueError(f"{kind} needs the parameter {error}") from error
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"{kind}: a parameter is not allowed: {error}") from error
