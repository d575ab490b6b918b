"""Settings of the default alerter."""

from datetime import UTC, date, datetime

import pytest

from nilometer.alert.calibrated.tolerance import Tolerance
from nilometer_collector.alerting.watch_rules import WatchRule


def test_the_tolerance_of_the_shape_follows_that_of_the_position() -> None:
    rule = WatchRule(tolerances={"input.amount": 0.3})
    assert rule.tolerance("input.amount").smooth == 0.3
    assert rule.tolerance("input.amount").shape == pytest.approx(9 * Tolerance().shape)
    assert rule.tolerance("input.age") == Tolerance()


def test_holidays_are_dates_and_days_of_every_year() -> None:
    holidays = WatchRule(holidays=("2026-04-03", "12-25", "02-29")).holiday_dates
    found = [
        day in holidays
        for day in (date(2026, 4, 3), date(2027, 4, 3), date(2031, 12, 25), date(2028, 2, 29))
    ]
    assert found == [True, False, True, True]
    assert "12-25" not in holidays


def test_a_holiday_begins_and_ends_at_midnight_of_the_zone() -> None:
    rule = WatchRule(time_zone="Asia/Tokyo", holidays=("12-25",))
    moments = [datetime(2026, 12, day, hour, tzinfo=UTC) for day, hour in ((24, 16), (25, 16))]
    assert [rule.is_holiday(int(one.timestamp()) * 10**9) for one in moments] == [True, False]


def test_a_declared_time_zone_is_the_default() -> None:
    assert WatchRule().declared("Asia/Tokyo").time_zone == "Asia/Tokyo"
    assert WatchRule(time_zone="UTC").declared("Asia/Tokyo").time_zone == "UTC"
