"""Rules as they are written (TOML, JSON) <-> alerters."""

import sys

from nilometer.alert import Alerter, AlerterKind, Severity, ThresholdSide
from nilometer.compare import Comparator
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import Refused
from nilometer_collector.limits.limits import check_alerter
from nilometer_collector.views import AlerterView

_LARGEST = sys.float_info.max  # JSON has no infinity


class Rule(AlerterView, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as a user writes it; an unknown key is an error."""


def alerter_of(rule: AlerterView) -> Alerter:
    """The alerter that *rule* describes.

    Raises:
        ConfigError: If a value is not allowed; the message names key, value and what is.
    """
    try:
        kind = AlerterKind(rule.kind)
        side = ThresholdSide(rule.comparison or ThresholdSide.ABOVE.value)
        comparator = Comparator(rule.comparator or Comparator.PSI.value)
        severity = Severity(rule.severity)
    except ValueError as error:
        raise ConfigError(f"alerter {rule.name!r}: {error}") from error
    limits = {"low": rule.low, "high": rule.high} if kind is AlerterKind.RANGE else {}
    try:
        alerter = Alerter(
            entity=rule.entity,
            name=rule.name,
            summary=rule.summary,
            kind=kind,
            statistic=rule.statistic,
            side=side,
            threshold=rule.threshold,
            reference=rule.reference,
            comparator=comparator,
            minimum_count=rule.minimum_count,
            windows_to_open=rule.windows_to_open,
            windows_to_close=rule.windows_to_close,
            severity=severity,
            **limits,
        )
        check_alerter(alerter)
    except Refused as error:
        raise ConfigError(f"alerter {rule.name[:64]!r}: {error}") from error
    return alerter


def rule_of(alerter: Alerter) -> AlerterView:
    """*alerter* as it is written; what its kind does not use is left at its default."""
    has_limits = alerter.kind is AlerterKind.RANGE
    is_fixed = alerter.kind is AlerterKind.FIXED
    is_reference = alerter.kind is AlerterKind.REFERENCE
    return AlerterView(
        entity=alerter.entity,
        name=alerter.name,
        summary=alerter.summary,
        kind=alerter.kind.value,
        statistic=alerter.statistic,
        comparison=alerter.side.value if is_fixed else "",
        threshold=alerter.threshold,
        low=max(alerter.low, -_LARGEST) if has_limits else 0.0,
        high=min(alerter.high, _LARGEST) if has_limits else 0.0,
        reference=alerter.reference,
        comparator=alerter.comparator.value if is_reference else "",
        minimum_count=alerter.minimum_count,
        windows_to_open=alerter.windows_to_open,
        windows_to_close=alerter.windows_to_close,
        severity=alerter.severity.value,
    )
