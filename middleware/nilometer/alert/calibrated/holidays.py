"""Holidays that a user gives: dates, and days of every year."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from nilometer.values.errors import ConfigError

# A date such as 2026-04-03, or a day of every year such as 12-25.
HOLIDAY = r"^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"
MOST_HOLIDAYS = 1000  # holidays of one rule
_LEAP_YEAR = 2000  # so that 02-29 is a day of a year


@lru_cache(maxsize=64)
def holidays_of(texts: tuple[str, ...]) -> "Holidays":
    """Return the holidays of *texts*, see `Holidays`; the same object for the same texts."""
    return Holidays(texts)


class Holidays:
    """Dates that are holidays, for ``day in holidays``.

    Args:
        texts: Dates such as ``2026-04-03``, and days of every year such as ``12-25``.

    Raises:
        ConfigError: If a text is no such day.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._dates: set[date] = set()
        self._yearly: set[tuple[int, int]] = set()
        for text in texts:
            is_yearly = len(text) == len("12-25")
            try:
                day = date.fromisoformat(f"{_LEAP_YEAR}-{text}" if is_yearly else text)
            except ValueError as error:
                raise ConfigError(
                    f"holidays = {text!r}: must be a date such as 2026-04-03, or a day of every year "
                    "such as 12-25"
                ) from error
            if is_yearly:
                self._yearly.add((day.month, day.day))
            else:
                self._dates.add(day)

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        return day in self._dates or (day.month, day.day) in self._yearly
