"""The JSON Schemas of alerters, channels and targets: bounds, allowed words, and the fields that each kind requires.

Bounds are the constants that the checks use. Words come from the registries, so the schema includes
every registered kind, comparator and statistic of other packages. JSON Schema cannot say that ``low``
is at most ``high``.
"""

import sys
from collections.abc import Mapping
from functools import singledispatch
from typing import TypeAlias

from nilometer.alert import STATISTICS, AgainstReference, Condition, Fixed, Range, Severity
from nilometer.alert.conditions import (
    CONDITIONS,
    AgainstBaseline,
    AgainstOther,
    AgainstPrevious,
    Direction,
    Reported,
    ThresholdSide,
)
from nilometer.alert.conditions.against_baseline import MOST_DAYS
from nilometer.alert.conditions.reported import EVERY_BOUNDS, FUNCTION_PATTERN, MEASURE_PATTERN
from nilometer.alert.statistic import COUNT
from nilometer.compare.registry import COMPARATORS
from nilometer.values.entity import NAME
from nilometer_collector.alerting.receivers import KINDS, Kind
from nilometer_collector.alerting.targets import KINDS as TARGET_KINDS
from nilometer_collector.limits.alerters import (
    MAX_ALERTER_NAME_CHARACTERS,
    MAX_DELAY_SECONDS,
    MAX_FOR_SECONDS,
    MAX_HOURS,
    MAX_MAINTENANCE,
    MAX_WINDOWS_IN_A_ROW,
)
from nilometer_collector.limits.bounds import MAX_COUNT, MAX_NAME_CHARACTERS, NO_CONTROL

Schema: TypeAlias = Mapping[str, object]

FINITE: Schema = {"minimum": -sys.float_info.max, "maximum": sys.float_info.max}
ANY_TEXT: Schema = {"type": "string"}
SEVERITY: Schema = {"enum": [severity.value for severity in Severity]}
TEXT: Schema = {"minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": NO_CONTROL}


def alerter_schema() -> Schema:
    """Return the constraints on the fields of an alerter, which their Python types do not express."""
    windows = {"type": "integer", "minimum": 1, "maximum": MAX_WINDOWS_IN_A_ROW}
    return {
        "properties": {
            "entity": {"pattern": f"^{NAME.pattern}$"},
            "name": {**TEXT, "maxLength": MAX_ALERTER_NAME_CHARACTERS},
            "summary": TEXT,
            "kind": {"enum": list(CONDITIONS)},
            "comparison": {"enum": ["", *(side.value for side in ThresholdSide)]},
            "comparator": {"enum": ["", *COMPARATORS]},
            "direction": {"enum": [one.value for one in Direction]},
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
            "for_seconds": {"minimum": 0, "maximum": MAX_FOR_SECONDS},
            "delay_seconds": {"minimum": 0, "maximum": MAX_DELAY_SECONDS},
            "time_zone": TEXT,
            "schedule": {"maxItems": MAX_HOURS},
            "maintenance": {"maxItems": MAX_MAINTENANCE},
        },
        "anyOf": [_of_kind(kind) for kind in CONDITIONS],
    }


def channel_schema(secret: Schema = ANY_TEXT) -> Schema:
    """Return the kinds of channels, each with the names of its settings and secrets.

    Args:
        secret: Schema of one secret.
    """
    return _receiver_schema(KINDS, secret)


def target_schema(secret: Schema = ANY_TEXT) -> Schema:
    """Return the kinds of targets, each with the names of its settings and secrets.

    Args:
        secret: Schema of one secret.
    """
    return _receiver_schema(TARGET_KINDS, secret)


def _receiver_schema(kinds: Mapping[str, Kind], secret: Schema) -> Schema:
    def named(kind: Kind, *, is_secret: bool) -> Schema:
        return _named(kind, secret if is_secret else ANY_TEXT, is_secret=is_secret)

    return {
        "properties": {"kind": {"enum": list(kinds)}},
        "anyOf": [
            {
                "properties": {
                    "kind": {"const": name},
                    "settings": named(kind, is_secret=False),
                    "secrets": named(kind, is_secret=True),
                },
                "required": [
                    part
                    for part, is_secret in (("settings", False), ("secrets", True))
                    if named(kind, is_secret=is_secret)["required"]
                ],
            }
            for name, kind in kinds.items()
        ],
    }


def _named(kind: Kind, value: Schema, *, is_secret: bool) -> Schema:
    fields = {name: one for name, one in kind.fields.items() if one.is_secret is is_secret}
    return {
        "type": "object",
        "properties": dict.fromkeys(fields, value),
        "additionalProperties": False,
        "required": [name for name, one in fields.items() if one.is_required],
    }


def _of_kind(kind: str) -> Schema:
    """Return the fields that *kind* requires. A built-in kind takes nothing under `parameters`.

    For a kind from another package, the schema allows every field; only its class checks them.
    """
    example = _EXAMPLES.get(kind)
    if example is None:
        return {"properties": {"kind": {"const": kind}}}
    asked = _asked_by(example)
    parameters = _parameters_of(example)
    return {
        "properties": {"kind": {"const": kind}, **asked, "parameters": parameters},
        "required": [*asked, *(["parameters"] if "minProperties" in parameters else [])],
    }


@singledispatch
def _asked_by(example: Condition) -> Schema:
    """Return the fields that conditions such as *example* require."""
    raise NotImplementedError(example)


@_asked_by.register
def _(_: Fixed) -> Schema:
    return {"statistic": {"enum": list(STATISTICS)}, "threshold": {}}


@_asked_by.register
def _(_: Range) -> Schema:
    return {"statistic": {"enum": list(STATISTICS)}, "low": {}, "high": {}}


@_asked_by.register(AgainstPrevious)
@_asked_by.register(AgainstBaseline)
@_asked_by.register(AgainstOther)
def _(_: Condition) -> Schema:
    return {"threshold": {"exclusiveMinimum": 0}}


@_asked_by.register
def _(_: Reported) -> Schema:
    return {}


@_asked_by.register
def _(_: AgainstReference) -> Schema:
    return {"reference": TEXT, "threshold": {"exclusiveMinimum": 0}}


@singledispatch
def _parameters_of(example: Condition) -> Schema:
    """Return what conditions such as *example* take under `parameters`."""
    del example
    return {"maxProperties": 0}


@_parameters_of.register
def _(_: AgainstBaseline) -> Schema:
    return {
        "properties": {
            "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
            "same_hour": {"enum": [0, 1]},
        },
        "additionalProperties": False,
    }


@_parameters_of.register
def _(_: AgainstOther) -> Schema:
    text = {"type": "string", **TEXT}
    return {
        "properties": {"other_entity": text, "other_labels": text},
        "additionalProperties": False,
        "minProperties": 1,
    }


@_parameters_of.register
def _(_: Reported) -> Schema:
    low, high = EVERY_BOUNDS
    return {
        "properties": {
            "function": {
                "type": "string",
                "pattern": f"^({FUNCTION_PATTERN})?$",
                "maxLength": MAX_NAME_CHARACTERS,
            },
            "every_seconds": {"type": "number", "minimum": low, "maximum": high},
            "measure": {"type": "string", "pattern": f"^{MEASURE_PATTERN}$"},
            "unit": {"type": "string", "maxLength": MAX_NAME_CHARACTERS},
        },
        "additionalProperties": False,
    }


_EXAMPLES: Mapping[str, Condition] = {
    condition.kind: condition
    for condition in (
        Fixed(statistic=COUNT, threshold=1.0),
        Range(statistic=COUNT, low=0.0, high=1.0),
        AgainstReference(reference="training", threshold=1.0),
        AgainstPrevious(threshold=1.0),
        AgainstBaseline(threshold=1.0),
        AgainstOther(threshold=1.0, other_labels="version=1"),
        Reported(),
    )
}
