"""Definitions of alerters, as users write them in TOML or JSON, and the alerters they define."""

import sys
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from nilometer.alert import Alerter, Condition, Severity
from nilometer.alert.conditions import (
    DEFAULT_ALERTER,
    OWN_ALERTER,
    ThresholdSide,
    condition_of,
)
from nilometer.compare.psi import PSI
from nilometer.compare.registry import comparator_named
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import Refused
from nilometer_collector.limits.alerters import check_alerter

_LARGEST = sys.float_info.max  # stands for infinity, which JSON does not have
# Parameters that have a field of their own; all others are under `parameters`.
_NAMED = ("statistic", "comparison", "threshold", "low", "high", "reference", "comparator")

Whole: TypeAlias = int | float  # 2 and 2.0 are the same number in JSON


class _Alerter(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that alerters have both in requests and in responses."""

    entity: str
    name: str
    summary: str
    kind: str
    statistic: str = ""
    comparison: str = ""
    reference: str = ""
    comparator: str = ""
    parameters: dict[str, str | float] | UnsetType = UNSET  # parameters without another field
    windows_to_open: Whole = 1
    windows_to_close: Whole = 1
    severity: str = "warning"


class AlerterView(_Alerter, frozen=True, kw_only=True):
    """An alerter as the API returns it; unused limits are 0. See nilometer.alert.Alerter."""

    minimum_count: Whole
    threshold: float = 0.0
    low: float = 0.0
    high: float = 0.0


class AlerterDefinition(_Alerter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerter as a user writes it. An unknown key is an error, and so is a missing limit."""

    threshold: float | UnsetType = UNSET
    low: float | UnsetType = UNSET
    high: float | UnsetType = UNSET
    minimum_count: Whole | UnsetType = UNSET  # by default the smallest count that the kind needs


def alerter_of(definition: AlerterDefinition | AlerterView) -> Alerter:
    """Return the alerter that *definition* describes.

    Raises:
        ConfigError: If a value is not allowed; the message names the key, the value and
            what is allowed.
    """
    if definition.name in {DEFAULT_ALERTER, OWN_ALERTER}:
        raise ConfigError(
            f"alerter {definition.name!r}: is the name of an alerter of the collector"
        )
    try:
        severity = Severity(definition.severity)
        condition = _condition_of(definition)
    except ValueError as error:
        raise ConfigError(f"alerter {definition.name!r}: {error}") from error
    try:
        alerter = Alerter(
            entity=definition.entity,
            name=definition.name,
            summary=definition.summary,
            condition=condition,
            minimum_count=_minimum_count(definition),
            windows_to_open=_whole(definition, "windows_to_open"),
            windows_to_close=_whole(definition, "windows_to_close"),
            severity=severity,
        )
        check_alerter(alerter)
    except Refused as error:
        raise ConfigError(f"alerter {definition.name[:64]!r}: {error}") from error
    return alerter


def alerter_view(alerter: Alerter) -> AlerterView:
    """Return *alerter* as a definition. Unused fields keep their defaults."""
    fields = {key: _written(value) for key, value in alerter.condition.fields().items()}
    named = {key: value for key, value in fields.items() if key in _NAMED}
    parameters = {key: value for key, value in fields.items() if key not in _NAMED}
    common = {
        "entity": alerter.entity,
        "name": alerter.name,
        "summary": alerter.summary,
        "kind": alerter.condition.kind,
        "minimum_count": alerter.minimum_count,
        "windows_to_open": alerter.windows_to_open,
        "windows_to_close": alerter.windows_to_close,
        "severity": alerter.severity.value,
    }
    return msgspec.convert(
        common | named | ({"parameters": parameters} if parameters else {}), AlerterView
    )


def _condition_of(definition: AlerterDefinition | AlerterView) -> Condition:
    """Return the condition of *definition*.

    Raises:
        ValueError: If its kind or a parameter is unknown, missing or out of bounds.
    """
    # A misspelled word is an error even in a field that the kind does not use.
    ThresholdSide(definition.comparison or ThresholdSide.ABOVE.value)
    comparator_named(definition.comparator or PSI.name)
    parameters = {} if definition.parameters is UNSET else definition.parameters
    named = {key: getattr(definition, key) for key in _NAMED}
    given = {key: value for key, value in named.items() if value is not UNSET}
    made = condition_of(definition.kind, parameters | given)
    unknown = parameters.keys() - (made.fields().keys() - set(_NAMED))
    if unknown:
        raise ValueError(f"parameters: {definition.kind} has no {', '.join(sorted(unknown))}")
    return made


def _minimum_count(definition: AlerterDefinition | AlerterView) -> int:
    """Return the smallest count; 0 if the definition leaves it to the condition."""
    if definition.minimum_count is UNSET:
        return 0
    found = _whole(definition, "minimum_count")
    if found < 1:
        raise ConfigError(
            f"alerter {definition.name!r}: minimum_count = {found}: must be at least 1"
        )
    return found


def _whole(definition: AlerterDefinition | AlerterView, key: str) -> int:
    number: Whole = getattr(definition, key)
    if isinstance(number, float) and not number.is_integer():
        raise ConfigError(f"alerter {definition.name!r}: {key} = {number}: must be a whole number")
    return int(number)


def _written(value: str | float) -> str | float:
    return value if isinstance(value, str) else min(max(value, -_LARGEST), _LARGEST)
