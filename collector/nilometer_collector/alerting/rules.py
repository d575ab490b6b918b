"""Rules as they are written (TOML, JSON) <-> alerters."""

import sys
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from nilometer.alert import Alerter, Condition, Severity
from nilometer.alert.conditions import ThresholdSide, condition_of
from nilometer.compare.psi import PSI
from nilometer.compare.registry import comparator_named
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import Refused
from nilometer_collector.limits.rules import check_alerter

_LARGEST = sys.float_info.max  # JSON has no infinity
# Parameters with a key of their own in a rule; the others are in its `parameters`.
_NAMED = ("statistic", "comparison", "threshold", "low", "high", "reference", "comparator")

Whole: TypeAlias = int | float  # 2 and 2.0 are the same number in JSON


class AlerterView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. See nilometer.alert.Alerter for meaning and bounds."""

    entity: str
    name: str
    summary: str
    kind: str
    statistic: str = ""
    comparison: str = ""
    threshold: float = 0.0
    low: float = 0.0
    high: float = 0.0
    reference: str = ""
    comparator: str = ""
    parameters: dict[str, str | float] | UnsetType = UNSET  # those without a field here
    minimum_count: Whole = 100
    windows_to_open: Whole = 1
    windows_to_close: Whole = 1
    severity: str = "warning"


class Rule(AlerterView, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as a user writes it; an unknown key is an error."""


def alerter_of(rule: AlerterView) -> Alerter:
    """The alerter that *rule* describes.

    Raises:
        ConfigError: If a value is not allowed; the message names key, value and what is.
    """
    try:
        condition = _condition_of(rule)
        severity = Severity(rule.severity)
    except ValueError as error:
        raise ConfigError(f"alerter {rule.name!r}: {error}") from error
    try:
        alerter = Alerter(
            entity=rule.entity,
            name=rule.name,
            summary=rule.summary,
            condition=condition,
            minimum_count=_whole(rule, "minimum_count"),
            windows_to_open=_whole(rule, "windows_to_open"),
            windows_to_close=_whole(rule, "windows_to_close"),
            severity=severity,
        )
        check_alerter(alerter)
    except Refused as error:
        raise ConfigError(f"alerter {rule.name[:64]!r}: {error}") from error
    return alerter


def rule_of(alerter: Alerter) -> AlerterView:
    """*alerter* as it is written; what its condition does not use is left at its default."""
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


def _condition_of(rule: AlerterView) -> Condition:
    """The condition of *rule*.

    Raises:
        ValueError: If its kind or a parameter is unknown, missing or without meaning.
    """
    # A word of a closed set is checked even where the kind does not use it: it is a mistake.
    ThresholdSide(rule.comparison or ThresholdSide.ABOVE.value)
    comparator_named(rule.comparator or PSI.name)
    parameters = {} if rule.parameters is UNSET else rule.parameters
    made = condition_of(rule.kind, parameters | {key: getattr(rule, key) for key in _NAMED})
    unknown = parameters.keys() - (made.fields().keys() - set(_NAMED))
    if unknown:
        raise ValueError(f"parameters: {rule.kind} has no {', '.join(sorted(unknown))}")
    return made


def _whole(rule: AlerterView, key: str) -> int:
    number: Whole = getattr(rule, key)
    if isinstance(number, float) and not number.is_integer():
        raise ConfigError(f"alerter {rule.name!r}: {key} = {number}: must be a whole number")
    return int(number)


def _written(value: str | float) -> str | float:
    return value if isinstance(value, str) else min(max(value, -_LARGEST), _LARGEST)
