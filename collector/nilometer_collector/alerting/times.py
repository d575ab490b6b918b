"""Schedules and maintenance windows, as users write them in TOML or JSON."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec

from nilometer.alert import Hours, Maintenance, Repeat, Times
from nilometer.alert.times import DAYS
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.limits.bounds import LAST_NS

_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
LAST_SECOND = LAST_NS // NANOSECONDS

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]


class HoursView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of some days, in local time."""

    days: list[Day] = []  # days on which they start; empty for all
    start: Annotated[str, msgspec.Meta(pattern=f"^{_MINUTE}$")] = "00:00"
    end: Annotated[str, msgspec.Meta(pattern=f"^({_MINUTE}|24:00)$")] = (
        "24:00"  # time before which they end; the next day's if it is at most `start`
    )


class MaintenanceView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in which nothing is judged."""

    start: Seconds  # Unix seconds; of the first time if it repeats
    end: Seconds  # Unix seconds
    repeat: Literal["", "daily", "weekly"] = ""  # at the same local time; empty for once


def times_of(
    time_zone: str, schedule: Sequence[HoursView], maintenance: Sequence[MaintenanceView]
) -> Times:
    """Return the times that a definition describes."""
    return Times(
        time_zone=time_zone,
        hours=tuple(
            Hours(
                days=tuple(one.days) or DAYS,
                start_minute=_minute(one.start),
                end_minute=_minute(one.end),
            )
            for one in schedule
        ),
        maintenance=tuple(
            Maintenance(
                start_ns=round(one.start * NANOSECONDS),
                end_ns=round(one.end * NANOSECONDS),
                repeat=Repeat(one.repeat),
            )
            for one in maintenance
        ),
    )


def hours_view(hours: Hours) -> dict[str, object]:
    """Return *hours* as a definition."""
    return {
        "days": list(hours.days),
        "start": _clock(hours.start_minute),
        "end": _clock(hours.end_minute),
    }


def maintenance_view(maintenance: Maintenance) -> dict[str, object]:
    """Return *maintenance* as a definition."""
    return {
        "start": maintenance.start_ns / NANOSECONDS,
        "end": maintenance.end_ns / NANOSECONDS,
        "repeat": maintenance.repeat.value,
    }


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
