"""Alerters: conditions on the summaries of a monitored entity."""

import math
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from nilometer.alert.conditions.condition import Condition, WrongField
from nilometer.alert.conditions.unknown import UnknownCondition
from nilometer.alert.limit import Limit
from nilometer.alert.times import ALWAYS, Times
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.nearest import not_one_of


class Severity(Enum):
    """The urgency of an alert for its receiver."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @classmethod
    def _missing_(cls, value: object) -> "Severity":
        raise ValueError(not_one_of("severity", value, (one.value for one in cls)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerter:
    """A condition on summaries, and when it opens and closes an episode.

    Attributes:
        entity: Name of the monitored entity.
        name: Name of the alerter, unique within the entity.
        summary: Glob over summary names, such as ``input.*``.
        condition: Condition that judges each window.
        minimum_count: Smallest number of observations for which a window is judged; >= 1. The
            default and 0 mean the number that the condition needs.
        windows_to_open: Number of consecutive breaches that open an episode; >= 1.
        windows_to_close: Number of consecutive windows without a breach that close it; >= 1.
        for_seconds: Shortest time from the start of the first breach to the end of the last one,
            for which an episode opens; >= 0.
        delay_seconds: Time after the end of a window for which the judgement waits for late data,
            in seconds, >= 0.
        severity: Urgency for the receiver of a notification.
        critical: Limit at and beyond which a breach is critical; None if it never gets critical.
        closing: Limit at and within which a window counts as one without a breach, so that the
            episode may close; None means the limit of the condition.
        times: Times at which it judges.

    Raises:
        ConfigError: If a value is not allowed; the message gives the key, the value and the
            allowed values.
    """

    entity: str
    name: str
    summary: str
    condition: Condition
    minimum_count: int = 0
    windows_to_open: int = 1
    windows_to_close: int = 1
    for_seconds: float = 0.0
    delay_seconds: float = 0.0
    severity: Severity = Severity.WARNING
    critical: Limit | None = None
    closing: Limit | None = None
    times: Times = ALWAYS

    def __post_init__(self) -> None:
        if not self.minimum_count:
            object.__setattr__(self, "minimum_count", self.condition.fewest)
        entity_name(self.entity)
        wrong = self._wrong() or self.condition.wrong() or self._wrong_limit() or self.times.wrong()
        if wrong is not None:
            key, value, allowed = wrong
            raise ConfigError(f"alerter {self.name!r}: {key} = {value!r}: must be {allowed}")

    def _wrong(self) -> WrongField | None:
        if not self.name:
            return WrongField("name", self.name, "a non-empty text")
        if not self.summary:
            return WrongField("summary", self.summary, "a summary name or glob")
        for key in ("minimum_count", "windows_to_open", "windows_to_close"):
            value = getattr(self, key)
            if value < 1:
                return WrongField(key, value, "at least 1")
        for key in ("for_seconds", "delay_seconds"):
            value = getattr(self, key)
            if not 0 <= value < math.inf:
                return WrongField(key, value, "a number of seconds, at least 0")
        return None

    def _wrong_limit(self) -> WrongField | None:
        if isinstance(self.condition, UnknownCondition):
            return None
        if self.critical is not None:
            wrong = self.critical.wrong("critical", self.condition, beyond=True)
            if wrong is not None:
                return wrong
        if self.closing is None:
            return None
        return self.closing.wrong("closing", self.condition, beyond=False)

    def watches(self, summary: str) -> bool:
        """Return whether the alerter applies to *summary*."""
        return fnmatchcase(summary, self.summary)

    def severity_of(self, value: float) -> Severity:
        """Return the severity of a breach with *value*."""
        if self.critical is None:
            return self.severity
        is_critical = self.critical.excess(self.condition, value, unlimited=True) >= 0
        return Severity.CRITICAL if is_critical else self.severity

    def may_close(self, value: float) -> bool:
        """Return whether *value*, which is no breach, is far enough inside to close an episode."""
        if self.closing is None:
            return True
        return self.closing.excess(self.condition, value, unlimited=False) <= 0
