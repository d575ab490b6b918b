"""Alerters: rules over the summaries of a monitored entity."""

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from nilometer.alert.conditions.condition import Condition, WrongField
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError


class Severity(Enum):
    """How much it matters to the one who is woken."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerter:
    """One rule.

    Attributes:
        entity: Name of the monitored entity.
        name: Unique within the entity.
        summary: A glob over summary names, such as ``input.*``.
        condition: What a window is held against.
        minimum_count: Fewer observations in a window are not judged; >= 1.
        windows_to_open: Consecutive breaches that open an episode; >= 1.
        windows_to_close: Consecutive windows without a breach that close it; >= 1.
        severity: How much it matters.

    Raises:
        ConfigError: If a value is not allowed; the message names key, value and what is.
    """

    entity: str
    name: str
    summary: str
    condition: Condition
    minimum_count: int = 100
    windows_to_open: int = 1
    windows_to_close: int = 1
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
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
        """Whether the rule applies to *summary*."""
        return fnmatchcase(summary, self.summary)
