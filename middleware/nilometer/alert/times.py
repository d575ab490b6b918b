"""The times at which an alerter judges: its schedule and its maintenance windows."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum

from nilometer.alert.conditions.condition import WrongField
from nilometer.values.nearest import not_one_of
from nilometer.values.time_zone import zone_named
from nilometer.values.window import Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60
NANOSECONDS_A_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hours of some days of the week, in local time.

    Attributes:
        days: Names of the days on which they start, such as ``mon``; at least one.
        start_minute: Minute of the day at which they start, 0 to 1439.
        end_minute: Minute of the day before which they end, 0 to 1440; the next day's if it is at
            most `start_minute`.
    """

    days: tuple[str, ...] = DAYS
    start_minute: int = 0
    end_minute: int = MINUTES_A_DAY

    def contain(self, local: datetime) -> bool:
        """Return whether the local time *local* lies within these hours."""
        minute = local.hour * 60 + local.minute
        today = DAYS[local.weekday()] in self.days
        if self.start_minute < self.end_minute:
            return today and self.start_minute <= minute < self.end_minute
        yesterday = DAYS[local.weekday() - 1] in self.days
        return (today and minute >= self.start_minute) or (yesterday and minute < self.end_minute)

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        unknown = [day for day in self.days if day not in DAYS]
        if unknown or not self.days:
            value = unknown[0] if unknown else "[]"
            return WrongField("schedule.days", value, f"some of {', '.join(DAYS)}")
        if not 0 <= self.start_minute < MINUTES_A_DAY:
            return WrongField("schedule.start", self.start_minute, "00:00 to 23:59")
        if not 0 <= self.end_minute <= MINUTES_A_DAY:
            return WrongField("schedule.end", self.end_minute, "00:00 to 24:00")
        return None


class Repeat(Enum):
    """The period after which a maintenance window starts again, in local time."""

    NEVER = ""
    DAILY = "daily"
    WEEKLY = "weekly"

    @classmethod
    def _missing_(cls, value: object) -> "Repeat":
        raise ValueError(not_one_of("repeat", value, (one.value for one in cls)))

    @property
    def days(self) -> int:
        """The period in days; 0 if it never starts again."""
        match self:
            case Repeat.NEVER:
                return 0
            case Repeat.DAILY:
                return 1
            case Repeat.WEEKLY:
                return 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A time in which nothing is judged.

    Attributes:
        start_ns: Start, Unix nanoseconds; of the first time if it repeats.
        end_ns: End, Unix nanoseconds.
        repeat: Period after which it starts again. It starts and ends at the same local times, so
            it is an hour shorter or longer if the clocks change in it.
    """

    start_ns: int
    end_ns: int
    repeat: Repeat = Repeat.NEVER

    def overlaps(self, window: Window, zone: tzinfo) -> bool:
        """Return whether any of its times, by the clock of *zone*, has a part of *window*."""
        return any(
            start < window.end_ns and window.start_ns < end
            for start, end in self._times(window, zone)
        )

    def time_at(self, at_ns: int, zone: tzinfo) -> tuple[int, int] | None:
        """Return start and end of its time that contains *at_ns*, Unix nanoseconds; else None."""
        found = self._times(Window(at_ns, at_ns + 1), zone)
        return next(((start, end) for start, end in found if start <= at_ns < end), None)

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not 0 <= self.start_ns < self.end_ns:
            end = self.end_ns / NANOSECONDS_A_SECOND
            return WrongField("maintenance.end", end, "after its start")
        period_ns = self.repeat.days * MINUTES_A_DAY * 60 * NANOSECONDS_A_SECOND
        if period_ns and self.end_ns - self.start_ns >= period_ns:
            end = self.end_ns / NANOSECONDS_A_SECOND
            return WrongField(
                "maintenance.end", end, f"before it starts again ({self.repeat.value})"
            )
        return None

    def _times(self, window: Window, zone: tzinfo) -> Iterator[tuple[int, int]]:
        """Yield every start and end that may overlap *window*."""
        if self.repeat is Repeat.NEVER:
            yield self.start_ns, self.end_ns
            return
        start, end = _local(self.start_ns, zone), _local(self.end_ns, zone)
        days = (_local(window.start_ns, zone).date() - end.date()).days
        period = self.repeat.days
        moved = timedelta(days=max((days // period - 1) * period, 0))
        while True:
            start_ns = _first_ns(start + moved, zone)
            if start_ns >= window.end_ns:
                return
            yield start_ns, _last_ns(end + moved, zone)
            moved += timedelta(days=period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The times at which an alerter judges; by default always.

    Attributes:
        time_zone: IANA name of the zone of the hours and of repeated maintenance.
        hours: Hours in which windows are judged; empty means all. A window counts by its start.
        maintenance: Times in which no window is judged, not even one that has only a part in them.
    """

    time_zone: str = "UTC"
    hours: tuple[Hours, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()

    def is_scheduled(self, window: Window) -> bool:
        """Return whether *window* starts within the hours."""
        if not self.hours:
            return True
        local = _local(window.start_ns, zone_named(self.time_zone))
        return any(one.contain(local) for one in self.hours)

    def is_maintained(self, window: Window) -> bool:
        """Return whether a part of *window* is in a maintenance window."""
        if not self.maintenance:
            return False
        zone = zone_named(self.time_zone)
        return any(one.overlaps(window, zone) for one in self.maintenance)

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        try:
            zone_named(self.time_zone)
        except ValueError as error:
            return WrongField("time_zone", self.time_zone, str(error).removeprefix("must be "))
        found = [*(one.wrong() for one in self.hours), *(one.wrong() for one in self.maintenance)]
        return next((one for one in found if one is not None), None)


ALWAYS = Times()


def _local(at_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(max(at_ns, 0) // NANOSECONDS_A_SECOND, UTC).astimezone(zone)


def _first_ns(local: datetime, zone: tzinfo) -> int:
    """Return the first time at which a clock of *zone* shows *local*, Unix nanoseconds.

    For a local time that the clock skips, it is the time at which the clock is put forward.
    """
    return min(_unix_seconds(local, zone)) * NANOSECONDS_A_SECOND


def _last_ns(local: datetime, zone: tzinfo) -> int:
    """Return the last time at which a clock of *zone* shows *local*, as `_first_ns` does."""
    return max(_unix_seconds(local, zone)) * NANOSECONDS_A_SECOND


def _unix_seconds(local: datetime, zone: tzinfo) -> tuple[int, int]:
    """Return both times at which a clock of *zone* may show *local*; mostly they are equal."""
    first, second = (round(local.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if first <= second:
        return first, second
    before, after = second, first  # the clock skips this time, once between both
    summer = datetime.fromtimestamp(after, zone).utcoffset() or timedelta()
    changed = range(before, after)[
        bisect_left(
            range(before, after),
            summer,
            key=lambda at: datetime.fromtimestamp(at, zone).utcoffset() or timedelta(),
        )
    ]
    return changed, changed
