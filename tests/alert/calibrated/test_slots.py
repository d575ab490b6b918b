from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nilometer.alert.calibrated.slots import HOLIDAY, WEEKDAY, WEEKEND, Calendar


def starts(*moments: datetime) -> np.ndarray:
    return np.array([int(moment.timestamp()) * 10**9 for moment in moments], np.int64)


def test_slots_are_read_from_the_clock_of_the_zone() -> None:
    calendar = Calendar(window_seconds=300, zone=ZoneInfo("Europe/Berlin"))
    winter = datetime(2025, 1, 15, 8, 5, tzinfo=UTC)
    summer = datetime(2025, 7, 16, 7, 5, tzinfo=UTC)
    slots = calendar.slots(starts(winter, summer))
    assert slots.hour.tolist() == [9, 9]
    assert slots.moment.tolist() == [109, 109]


def test_days_have_kinds() -> None:
    calendar = Calendar(window_seconds=3600, holidays={date(2025, 12, 25)})
    slots = calendar.slots(
        starts(*(datetime(2025, 12, day, 12, tzinfo=UTC) for day in (24, 25, 27)))
    )
    assert slots.kind.tolist() == [WEEKDAY, HOLIDAY, WEEKEND]
    assert len(set(slots.week.tolist())) == 3


@pytest.mark.parametrize(
    ("seconds", "per_day", "hours"),
    [(300, 288, 24), (3600, 24, 24), (21_600, 4, 4), (86_400, 1, 1), (604_800, 1, 1)],
)
def test_longer_windows_have_fewer_slots(seconds: int, per_day: int, hours: int) -> None:
    slots = Calendar(window_seconds=seconds).slots(np.arange(0, 14 * 86_400, seconds) * 10**9)
    assert (slots.per_day, slots.hours) == (per_day, hours)
    assert slots.moment.max() == per_day - 1
    assert slots.hour.max() == hours - 1


def test_a_day_of_a_zone_begins_at_its_midnight() -> None:
    calendar = Calendar(window_seconds=300, zone=ZoneInfo("Asia/Kolkata"))
    before, after = (
        datetime(2025, 6, 1, 18, 25, tzinfo=UTC),
        datetime(2025, 6, 1, 18, 30, tzinfo=UTC),
    )
    slots = calendar.slots(starts(before, after))
    assert slots.day[1] == slots.day[0] + 1
    assert slots.moment.tolist() == [287, 0]
