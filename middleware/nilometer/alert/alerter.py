"""Alerters: rules over the summaries of a monitored entity."""

import math
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from nilometer.alert.statistic import STATISTICS
from nilometer.compare.comparison import Comparator
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError


class AlerterKind(Enum):
    """What a window is held against."""

    FIXED = "FIXED"  # a statistic against one threshold
    RANGE = "RANGE"  # a statistic outside [low, high]
    REFERENCE = "REFERENCE"  # a distance from a reference above a threshold


class ThresholdSide(Enum):
    """On which side of its threshold a statistic is a breach."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    def breached(self, value: float, threshold: float) -> bool:
        """Whether *value* is on the wrong side."""
        match self:
            case ThresholdSide.ABOVE:
                return value > threshold
            case ThresholdSide.AT_LEAST:
                return value >= threshold
            case ThresholdSide.BELOW:
                return value < threshold
            case ThresholdSide.AT_MOST:
                return value <= threshold


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
        kind: What a window is held against.
        statistic: FIXED and RANGE: one of `STATISTICS`.
        side: FIXED: which side is a breach.
        threshold: FIXED and REFERENCE; unit of the statistic or comparator.
        low: RANGE: smallest fine value.
        high: RANGE: largest fine value.
        reference: REFERENCE: name of the reference.
        comparator: REFERENCE: the distance.
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
    kind: AlerterKind
    statistic: str = ""
    side: ThresholdSide = ThresholdSide.ABOVE
    threshold: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    reference: str = ""
    comparator: Comparator = Comparator.PSI
    minimum_count: int = 100
    windows_to_open: int = 1
    windows_to_close: int = 1
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        entity_name(self.entity)
        self._require(bool(self.name), "name", self.name, "a non-empty text")
        self._require(bool(self.summary), "summary", self.summary, "a summary name or glob")
        for key in ("minimum_count", "windows_to_open", "windows_to_close"):
            self._require(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        match self.kind:
            case AlerterKind.REFERENCE:
                self._require(bool(self.reference), "reference", self.reference, "a reference name")
                fine = math.isfinite(self.threshold) and self.threshold > 0
                self._require(fine, "threshold", self.threshold, "a positive number")
            case AlerterKind.FIXED:
                self._require_statistic()
                fine = math.isfinite(self.threshold)
                self._require(fine, "threshold", self.threshold, "a finite number")
            case AlerterKind.RANGE:
                self._require_statistic()
                self._require(self.low <= self.high, "low", self.low, f"at most high = {self.high}")

    def _require_statistic(self) -> None:
        allowed = f"one of {', '.join(STATISTICS)}"
        self._require(self.statistic in STATISTICS, "statistic", self.statistic, allowed)

    def _require(self, fine: bool, key: str, value: object, allowed: str) -> None:  # noqa: FBT001
        if not fine:
            raise ConfigError(f"alerter {self.name!r}: {key} = {value!r}: must be {allowed}")

    def watches(self, summary: str) -> bool:
        """Whether the rule applies to *summary*."""
        return fnmatchcase(summary, self.summary)

    @property
    def measure(self) -> str:
        """The name of what is measured: the comparator or the statistic."""
        return self.comparator.value if self.kind is AlerterKind.REFERENCE else self.statistic
