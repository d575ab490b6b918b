"""Settings of the default alerter, one rule per group of entities."""

from datetime import UTC, datetime, tzinfo
from fnmatch import fnmatchcase
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from nilometer.alert.calibrated.holidays import HOLIDAY, MOST_HOLIDAYS, Holidays, holidays_of
from nilometer.alert.calibrated.tolerance import DEFAULT, Tolerance
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError

WINDOWS_OF_DAY = 288  # base windows in a day


class WatchRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the default alerter watches some entities. Every field may be left out.

    Attributes:
        entity: Pattern over names of entities, such as ``fraud-*``. The first rule that matches
            applies.
        watch: Whether the default alerter watches these entities.
        budget_days: Mean number of days between false alarms of one entity.
        time_zone: Name of the time zone in which traffic has its daily pattern. Empty uses the
            declared time zone of each entity, which is UTC without a declaration.
        holidays: Local dates such as ``2026-04-03``, and days of every year such as ``12-25``, that
            are a separate kind of day beside weekdays and weekends.
        tolerances: Largest distance from normal that is not drift, in standard deviations of
            the reference, by pattern over summaries.
        share_tolerances: Tolerance of shares, such as the share of missing cells; 0.05 is five
            percentage points.
    """

    entity: str = "*"
    watch: bool = True
    budget_days: Annotated[float, Meta(ge=1, le=3650)] = 30.0
    time_zone: str = ""
    holidays: Annotated[
        tuple[Annotated[str, Meta(pattern=HOLIDAY)], ...], Meta(max_length=MOST_HOLIDAYS)
    ] = ()
    tolerances: dict[str, Annotated[float, Meta(gt=0, le=100)]] = {}
    share_tolerances: dict[str, Annotated[float, Meta(gt=0, le=1)]] = {}

    @property
    def zone(self) -> tzinfo:
        """The time zone; UTC if it is empty.

        Raises:
            ConfigError: If no time zone has this name.
        """
        if self.time_zone in {"", "UTC"}:
            return UTC
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"time_zone = {self.time_zone!r}: must be a time zone such as Europe/Berlin"
            ) from error

    @property
    def holiday_dates(self) -> Holidays:
        """The holidays.

        Raises:
            ConfigError: If a holiday is not a day of the calendar.
        """
        return holidays_of(self.holidays)

    def is_holiday(self, at_ns: int) -> bool:
        """Return whether a time, in Unix nanoseconds, is on a holiday."""
        if not self.holidays:
            return False
        return datetime.fromtimestamp(at_ns // NANOSECONDS, self.zone).date() in self.holiday_dates

    def check(self) -> None:
        """Raise `ConfigError` if there is no such time zone or holiday."""
        _ = self.zone, self.holiday_dates

    def declared(self, time_zone: str) -> "WatchRule":
        """Return the rule with a declared *time_zone*, unless it has one of its own."""
        return self if self.time_zone else replace(self, time_zone=time_zone)

    @property
    def budget(self) -> float:
        """The budget in base windows."""
        return self.budget_days * WINDOWS_OF_DAY

    def tolerance(self, summary: str, usual: Tolerance = DEFAULT) -> Tolerance:
        """Return the tolerance of *summary*.

        Chi-square grows with the square of a distance. So a changed tolerance scales the tolerance
        of the shape by its square.

        Args:
            summary: Name of the summary.
            usual: Tolerance that applies where the rule sets none.
        """
        smooth = _first(self.tolerances, summary, usual.smooth)
        return Tolerance(
            smooth=smooth,
            shape=usual.shape * (smooth / usual.smooth) ** 2,
            rate=_first(self.share_tolerances, summary, usual.rate),
            rate_deviations=usual.rate_deviations,
        )


def rule_of(rules: tuple[WatchRule, ...], entity: str) -> WatchRule:
    """Return the first of *rules* that matches *entity*; the defaults if none does."""
    return next((rule for rule in rules if fnmatchcase(entity, rule.entity)), WatchRule())


def _first(patterns: dict[str, float], summary: str, usual: float) -> float:
    found = (value for pattern, value in patterns.items() if fnmatchcase(summary, pattern))
    return next(found, usual)
