"""An alerter judges only in the hours of its schedule, and not in maintenance, by local clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from nilometer.alert import (
    Alerter,
    Fixed,
    Hours,
    Maintenance,
    Reason,
    Repeat,
    Times,
    Verdict,
    evaluate,
)
from nilometer.values.errors import ConfigError
from nilometer.values.window import Window
from nilometer_collector.testing import feature_sample

BERLIN = "Europe/Berlin"


def ns(text: str) -> int:
    """Return a time in UTC, such as ``2026-03-29 00:30``, in Unix nanoseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def window(text: str, minutes: int = 5) -> Window:
    start = ns(text)
    return Window(start, start + minutes * 60 * 10**9)


@pytest.mark.parametrize(
    ("start", "is_scheduled"),
    [
        ("2026-06-01 05:55", False),  # Monday, 07:55 in Berlin
        ("2026-06-01 06:00", True),
        ("2026-06-01 17:59", True),
        ("2026-06-01 18:00", False),
        ("2026-01-05 06:30", False),  # winter: 07:30
        ("2026-01-05 07:00", True),
        ("2026-06-06 10:00", False),  # Saturday
    ],
)
def test_hours_are_those_of_the_local_clock(start: str, *, is_scheduled: bool) -> None:
    workdays = Hours(days=("mon", "tue", "wed", "thu", "fri"), start_minute=480, end_minute=1200)
    assert Times(time_zone=BERLIN, hours=(workdays,)).is_scheduled(window(start)) is is_scheduled


@pytest.mark.parametrize(
    ("start", "is_scheduled"),
    [
        ("2026-06-05 21:59", False),  # Friday
        ("2026-06-05 22:00", True),
        ("2026-06-06 05:59", True),  # the hours of Friday go on
        ("2026-06-06 06:00", False),
        ("2026-06-06 22:00", False),
    ],
)
def test_hours_may_pass_midnight(start: str, *, is_scheduled: bool) -> None:
    night = Hours(days=("fri",), start_minute=1320, end_minute=360)
    assert Times(hours=(night,)).is_scheduled(window(start)) is is_scheduled


def test_maintenance_takes_every_window_with_a_part_in_it() -> None:
    once = Maintenance(start_ns=ns("2026-06-01 10:02"), end_ns=ns("2026-06-01 10:10"))
    times = Times(maintenance=(once,))
    found = [times.is_maintained(window(f"2026-06-01 {at}")) for at in ("09:55", "10:00", "10:05")]
    assert found == [False, True, True]
    assert not times.is_maintained(window("2026-06-01 10:10"))


@pytest.mark.parametrize(("repeat", "days"), [(Repeat.DAILY, 1), (Repeat.WEEKLY, 7)])
def test_maintenance_repeats_at_the_same_local_time(repeat: Repeat, days: int) -> None:
    first = datetime(2026, 3, 22, 22, 30, tzinfo=UTC)  # Sunday 23:30 in Berlin, until 01:30
    start_ns = round(first.timestamp()) * 10**9
    nightly = Maintenance(start_ns=start_ns, end_ns=start_ns + 7200 * 10**9, repeat=repeat)
    times = Times(time_zone=BERLIN, maintenance=(nightly,))
    for number in range(0, 28, days):
        moved = timedelta(days=number)
        if first + moved >= datetime(2026, 3, 29, 1, tzinfo=UTC):
            moved -= timedelta(hours=1)  # summer time: UTC is an hour earlier
        inside, after = first + moved + timedelta(minutes=115), first + moved + timedelta(hours=2)
        assert times.is_maintained(window(inside.isoformat(" ", "minutes")[:16]))
        assert not times.is_maintained(window(after.isoformat(" ", "minutes")[:16]))
    assert not times.is_maintained(window("2026-03-22 22:20"))
    assert not times.is_maintained(window("2026-03-15 22:40"))  # before the first time


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        # 22:00 to 06:00 in Berlin; the nights have nine and seven hours.
        (
            (22, 30),
            ["2026-10-24 20:00", "2026-10-25 04:55"],
            ["2026-10-24 19:55", "2026-10-25 05:00"],
        ),
        (
            (22, 30),
            ["2026-03-28 21:00", "2026-03-29 03:55"],
            ["2026-03-28 20:55", "2026-03-29 04:00"],
        ),
        # 02:30 to 04:00: the clock goes from 02:00 to 03:00, so the start is skipped.
        (
            (26.5, 28),
            ["2026-03-29 01:00", "2026-03-29 01:55"],
            ["2026-03-29 00:55", "2026-03-29 02:00"],
        ),
        # 01:00 to 02:30: the end is skipped.
        (
            (25, 26.5),
            ["2026-03-29 00:00", "2026-03-29 00:55"],
            ["2026-03-28 23:55", "2026-03-29 01:00"],
        ),
        # 01:00 to 02:30: the clock shows 02:30 twice.
        (
            (25, 26.5),
            ["2026-10-24 23:00", "2026-10-25 01:25"],
            ["2026-10-24 22:55", "2026-10-25 01:30"],
        ),
    ],
)
def test_maintenance_keeps_its_local_end_when_the_clocks_change(
    hours: tuple[float, float], inside: list[str], outside: list[str]
) -> None:
    midnight = ns("2026-01-31 23:00")  # 1 February in Berlin
    start_ns, end_ns = (midnight + round(hour * 3600) * 10**9 for hour in hours)
    nightly = Maintenance(start_ns=start_ns, end_ns=end_ns, repeat=Repeat.DAILY)
    times = Times(time_zone=BERLIN, maintenance=(nightly,))
    assert [times.is_maintained(window(at)) for at in inside] == [True] * len(inside)
    assert [times.is_maintained(window(at)) for at in outside] == [False] * len(outside)


def test_a_window_at_the_wrong_time_is_not_judged() -> None:
    sample = feature_sample([5.0] * 200, window=window("2026-06-01 10:00"))
    maintained = Maintenance(start_ns=ns("2026-06-01 00:00"), end_ns=ns("2026-06-02 00:00"))
    night = Hours(start_minute=0, end_minute=360)
    for times, reason in (
        (Times(maintenance=(maintained,)), Reason.MAINTENANCE),
        (Times(hours=(night,)), Reason.OUTSIDE_SCHEDULE),
    ):
        fixed = Fixed(statistic="mean", threshold=1.0)
        alerter = Alerter(entity="e", name="a", summary="*", condition=fixed, times=times)
        found = evaluate(alerter, sample, {})
        assert (found.verdict, found.reason) == (Verdict.NOT_JUDGED, reason)


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (Times(time_zone="Mars/Base"), "time_zone"),
        (Times(hours=(Hours(days=("someday",)),)), "schedule.days"),
        (Times(hours=(Hours(days=()),)), "schedule.days"),
        (Times(hours=(Hours(start_minute=1440),)), "schedule.start"),
        (Times(hours=(Hours(end_minute=1441),)), "schedule.end"),
        (Times(maintenance=(Maintenance(start_ns=5, end_ns=5),)), "maintenance.end"),
        (
            Times(
                maintenance=(Maintenance(start_ns=0, end_ns=86_400 * 10**9, repeat=Repeat.DAILY),)
            ),
            "maintenance.end",
        ),
    ],
)
def test_times_that_cannot_be_are_refused(times: Times, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Alerter(
            entity="e",
            name="a",
            summary="*",
            condition=Fixed(statistic="mean", threshold=1.0),
            times=times,
        )
