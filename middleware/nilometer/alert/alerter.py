"""Alerters: conditions on the summaries of a monitored entity."""

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from nilometer.alert.conditions.condition import Condition, WrongField
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
        severity: Urgency for the receiver of a notification.

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
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        if not self.minimum_count:
            object.__setattr__(self, "minimum_count", self.condition.fewest)
        entity_name(self.entity)
        wrong = self._wrong() or self.condition.wrong()
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
        return None

    def watches(self, summary: str) -> bool:
        """Return whether the alerter applies to *summary*."""
        return fnmatchcase(summary, self.summary)
