"""What a rule must be, as JSON Schema: bounds, words of closed sets, and what each kind asks for.

All bounds are the constants of the checks, and all words come from the registries, so that a kind,
a comparator or a statistic from outside counts once it is registered. JSON Schema cannot say that
``low`` is at most ``high``.
"""

import sys
from collections.abc import Mapping
from functools import singledispatch
from typing import TypeAlias

from nilometer.alert import STATISTICS, AgainstReference, Condition, Fixed, Range, Severity
from nilometer.alert.conditions import CONDITIONS, ThresholdSide
from nilometer.alert.statistic import COUNT
from nilometer.compare.registry import COMPARATORS
from nilometer.values.entity import NAME
from nilometer_collector.limits.bounds import MAX_COUNT, MAX_NAME_CHARACTERS, NO_CONTROL
from nilometer_collector.limits.rules import MAX_RULE_NAME_CHARACTERS, MAX_WINDOWS_IN_A_ROW

Schema: TypeAlias = Mapping[str, object]

FINITE: Schema = {"minimum": -sys.float_info.max, "maximum": sys.float_info.max}
SEVERITY: Schema = {"enum": [severity.value for severity in Severity]}
TEXT: Schema = {"minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": NO_CONTROL}


def rule_schema() -> Schema:
    """What is asked of a rule beside the types of its fields."""
    windows = {"type": "integer", "minimum": 1, "maximum": MAX_WINDOWS_IN_A_ROW}
    return {
        "properties": {
            "entity": {"pattern": f"^{NAME.pattern}$"},
            "name": {**TEXT, "maxLength": MAX_RULE_NAME_CHARACTERS},
            "summary": TEXT,
            "kind": {"enum": list(CONDITIONS)},
            "comparison": {"enum": ["", *(side.value for side in ThresholdSide)]},
            "comparator": {"enum": ["", *COMPARATORS]},
            "threshold": FINITE,
            "low": FINITE,
            "high": FINITE,
            "parameters": {
                "additionalProperties": {
                    "anyOf": [{"type": "string"}, {"type": "number", **FINITE}]
                }
            },
            "minimum_count": {"type": "integer", "minimum": 1, "maximum": MAX_COUNT},
            "windows_to_open": windows,
            "windows_to_close": windows,
            "severity": SEVERITY,
        },
        "anyOf": [_of_kind(kind) for kind in CONDITIONS],
    }


def _of_kind(kind: str) -> Schema:
    """The fields that *kind* asks for, and no further parameter: all of its have keys of their own.

    Of a kind from outside, its class alone knows them.
    """
    example = _EXAMPLES.get(kind)
    if example is None:
        return {"properties": {"kind": {"const": kind}}}
    asked = _asked_by(example)
    parameters = {"maxProperties": 0}
    return {
        "properties": {"kind": {"const": kind}, **asked, "parameters": parameters},
        "required": list(asked),
    }


@singledispatch
def _asked_by(example: Condition) -> Schema:
    """The fields that conditions such as *example* cannot do without."""
    raise NotImplementedError(example)


@_asked_by.register(Fixed)
@_asked_by.register(Range)
def _(_: Condition) -> Schema:
    return {"statistic": {"enum": list(STATISTICS)}}


@_asked_by.register
def _(_: AgainstReference) -> Schema:
    return {"reference": TEXT, "threshold": {"exclusiveMinimum": 0}}


_EXAMPLES: Mapping[str, Condition] = {
    condition.kind: condition
    for condition in (
        Fixed(statistic=COUNT),
        Range(statistic=COUNT),
        AgainstReference(reference="training", threshold=1.0),
    )
}
