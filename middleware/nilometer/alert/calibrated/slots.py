"""Slots: times of day and kinds of days at which windows have similar values.

A slot is computed in the entity's time zone, so that a daily pattern stays in its slots when
daylight saving time begins.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.intp]
NS_PER_SECOND = 1_000_000_000
BASE_SECONDS = 300  # length of a base window
BASE_NS = BASE_SECONDS * NS_PER_SECOND
DAY_SECONDS = 86_400
MOST_HOURS = 24  # largest number of slots of the first level
KINDS_OF_DAYS = 3  # weekday, weekend, holiday
WEEKDAY, WEEKEND, HOLIDAY = range(KINDS_OF_DAYS)


@dataclass(frozen=True)
class Slots:
    """The slots of W windows.

    Attributes:
        day: Number of the local day, shape (W,).
        moment: Window of the local day, 0 to `per_day` - 1, shape (W,).
        kind: Kind of the local day: 0 weekday, 1 weekend, 2 holiday; shape (W,).
        per_day: Number of windows in a day, at least 1.
    """

    day: Integers
    moment: Integers
    kind: Integers
    per_day: int

    @property
    def hours(self) -> int:
        """Number of slots of the first level: 24, or fewer if windows are longer than an hour."""
        return min(MOST_HOURS, self.per_day)

    @cached_property
    def hour(self) -> Integers:
        """Slot of the first level, 0 to `hours` - 1, shape (W,)."""
        return self.moment * self.hours // self.per_day

    @cached_property
    def week(self) -> Integers:
        """Slot of the hour and the kind of day together, shape (W,)."""
        return self.hour + self.hours * self.kind

    def part(self, which: slice) -> "Slots":
        """Return the slots of the windows that *which* selects."""
        return Slots(self.day[which], self.moment[which], self.kind[which], self.per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Assigns the windows of an entity to slots.

    Attributes:
        window_seconds: Length of a window. A window of a day or more has one slot.
        zone: Time zone of the entity.
        holidays: Local dates that are holidays, a separate kind of day.
    """

    window_seconds: int
    zone: tzinfo = UTC
    holidays: Container[date] = frozenset()

    @property
    def per_day(self) -> int:
        """Number of windows in a day, at least 1."""
        return max(DAY_SECONDS // self.window_seconds, 1)

    def slots(self, starts_ns: NDArray[np.int64]) -> Slots:
        """Return the slots of windows.

        Args:
            starts_ns: Starts of the windows, Unix nanoseconds, shape (W,).
        """
        if len(starts_ns) == 1:  # fast path for judging one window
            second = int(starts_ns[0]) // NS_PER_SECOND
            local_second = second + self._offset(second)
            number, into_day = divmod(local_second, DAY_SECONDS)
            found = [[number], [into_day * self.per_day // DAY_SECONDS], [self._kind(number)]]
            one_day, one_moment, one_kind = np.array(found, np.intp)
            return Slots(one_day, one_moment, one_kind, self.per_day)
        day, moment, kind = (np.zeros(len(starts_ns), np.intp) for _ in range(3))
        # Time zones change their offset at multiples of a quarter of an hour of UTC, so one
        # conversion for each quarter of an hour is enough.
        seconds = starts_ns // NS_PER_SECOND
        steps, place = np.unique(seconds // _OFFSET_SECONDS, return_inverse=True)
        offsets = [self._offset(int(step) * _OFFSET_SECONDS) for step in steps]
        local = seconds + np.array(offsets, np.int64)[place]
        day[:] = local // DAY_SECONDS
        moment[:] = (local % DAY_SECONDS) * self.per_day // DAY_SECONDS
        days, place = np.unique(day, return_inverse=True)
        kind[:] = np.array([self._kind(int(number)) for number in days], np.intp)[place]
        return Slots(day, moment, kind, self.per_day)

    def _offset(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self.zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())

    def _kind(self, day: int) -> int:
        return HOLIDAY if date.fromordinal(_EPOCH + day) in self.holidays else kind_of_day(day)


def kind_of_day(day: int) -> int:
    """Return `WEEKDAY` or `WEEKEND` for the number of a local day since 1970."""
    return WEEKEND if date.fromordinal(_EPOCH + day).weekday() >= 5 else WEEKDAY


_OFFSET_SECONDS = 900  # time within which the offset of a zone does not change
_EPOCH = date(1970, 1, 1).toordinal()
