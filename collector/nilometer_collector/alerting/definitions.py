"""Definitions of alerters, as users write them in TOML or JSON, and the alerters they define."""

import sys
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from nilometer.alert import Alerter, Condition, Limit, Severity
from nilometer.alert.conditions import (
    DEFAULT_ALERTER,
    OWN_ALERTER,
    Direction,
    ThresholdSide,
    condition_of,
)
from nilometer.compare.psi import PSI
from nilometer.compare.registry import comparator_named
from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.times import (
    HoursView,
    MaintenanceView,
    hours_view,
    maintenance_view,
    times_of,
)
from nilometer_collector.errors import Refused
from nilometer_collector.limits.alerters import check_alerter

_LARGEST = sys.float_info.max  # stands for infinity, which JSON does not have
# Parameters that have a field of their own; all others are under `parameters`.
NAMED = (
    "statistic",
    "comparison",
    "threshold",
    "low",
    "high",
    "reference",
    "comparator",
    "direction",
)

Whole: TypeAlias = int | float  # 2 and 2.0 are the same number in JSON


class LimitView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second limit of an alerter: `threshold`, or for RANGE `low` and `high`."""

    threshold: float | UnsetType = UNSET
    low: float | UnsetType = UNSET
    high: float | UnsetType = UNSET


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
    direction: str = ""  # up or down: the only change that is a breach; empty for both
    parameters: dict[str, str | float] | UnsetType = UNSET  # parameters without another field
    windows_to_open: Whole = 1
    windows_to_close: Whole = 1
    for_seconds: float = 0.0  # shortest time of breaches that opens an episode
    delay_seconds: float = 0.0  # wait for late data after the end of a window
    severity: str = "warning"
    critical: LimitView | UnsetType = UNSET  # limit from which a breach is critical
    closing: LimitView | UnsetType = UNSET  # limit within which an episode may close
    time_zone: str = "UTC"  # zone of `schedule` and `maintenance`
    schedule: list[HoursView] = []  # hours in which it judges; empty means always
    maintenance: list[MaintenanceView] = []  # times in which it does not judge


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
        times = times_of(definition.time_zone, definition.schedule, definition.maintenance)
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
            for_seconds=definition.for_seconds,
            delay_seconds=definition.delay_seconds,
            severity=severity,
            critical=_limit_of(definition.critical),
            closing=_limit_of(definition.closing),
            times=times,
        )
        check_alerter(alerter)
    except Refused as error:
        raise ConfigError(f"alerter {definition.name[:64]!r}: {error}") from error
    return alerter


def alerter_view(alerter: Alerter) -> AlerterView:
    """Return *alerter* as a definition. Unused fields keep their defaults."""
    fields = {key: _written(value) for key, value in alerter.condition.fields().items()}
    named = {key: value for key, value in fields.items() if key in NAMED}
    parameters = {key: value for key, value in fields.items() if key not in NAMED}
    common = {
        "entity": alerter.entity,
        "name": alerter.name,
        "summary": alerter.summary,
        "kind": alerter.condition.kind,
        "minimum_count": alerter.minimum_count,
        "windows_to_open": alerter.windows_to_open,
        "windows_to_close": alerter.windows_to_close,
        "for_seconds": alerter.for_seconds,
        "delay_seconds": alerter.delay_seconds,
        "severity": alerter.severity.value,
        "time_zone": alerter.times.time_zone,
        "schedule": [hours_view(one) for one in alerter.times.hours],
        "maintenance": [maintenance_view(one) for one in alerter.times.maintenance],
    }
    limits = {"critical": alerter.critical, "closing": alerter.closing}
    given = {key: limit.given for key, limit in limits.items() if limit is not None}
    others = {"parameters": parameters} if parameters else {}
    return msgspec.convert(common | named | given | others, AlerterView)


def _limit_of(view: LimitView | UnsetType) -> Limit | None:
    if isinstance(view, UnsetType):
        return None
    return Limit(**{k: v for k, v in msgspec.structs.asdict(view).items() if v is not UNSET})


def _condition_of(definition: AlerterDefinition | AlerterView) -> Condition:
    """Return the condition of *definition*.

    Raises:
        ValueError: If its kind or a parameter is unknown, missing or out of bounds.
    """
    # A misspelled word is an error even in a field that the kind does not use.
    ThresholdSide(definition.comparison or ThresholdSide.ABOVE.value)
    comparator_named(definition.comparator or PSI.name)
    Direction(definition.direction)
    parameters = {} if definition.parameters is UNSET else definition.parameters
    named = {key: getattr(definition, key) for key in NAMED}
    given = {key: value for key, value in named.items() if value is not UNSET}
    made = condition_of(definition.kind, parameters | given)
    unknown = parameters.keys() - (made.fields().keys() - set(NAMED))
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
