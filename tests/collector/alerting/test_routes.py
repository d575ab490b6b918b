"""The hours of routes, by the clocks of the recipients."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.routes import RouteDefinition, check_route, next_open_ns

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    """A time of Berlin's clocks."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * NANOSECONDS


def opens(now: str, **fields: object) -> str:
    """When the hours begin next, by Berlin's clocks; empty within them."""
    route = RouteDefinition(name="r", channels=["c"], time_zone="Europe/Berlin", **fields)  # type: ignore[arg-type]
    found = next_open_ns(route, at(now))
    return str(datetime.fromtimestamp(found // NANOSECONDS, BERLIN))[:16] if found else ""


@pytest.mark.parametrize(
    ("now", "fields", "expected"),
    [
        ("2026-03-02 03:00", {}, ""),
        ("2026-03-02 09:00", {"hours": "09:00-17:00"}, ""),
        ("2026-03-02 17:00", {"hours": "09:00-17:00"}, "2026-03-03 09:00"),
        ("2026-03-02 08:59", {"hours": "09:00-17:00"}, "2026-03-02 09:00"),
        ("2026-03-02 03:00", {"hours": "22:00-06:00"}, ""),
        ("2026-03-02 06:00", {"hours": "22:00-06:00"}, "2026-03-02 22:00"),
        ("2026-03-02 12:00", {"hours": "09:00-09:00"}, ""),
        ("2026-03-02 23:59", {"hours": "18:00-24:00"}, ""),
        # The night that begins on Friday ends on Saturday.
        ("2026-03-07 03:00", {"hours": "22:00-06:00", "days": ["fri"]}, ""),
        ("2026-03-07 07:00", {"hours": "22:00-06:00", "days": ["fri"]}, "2026-03-13 22:00"),
        ("2026-03-07 12:00", {"days": ["mon", "tue"]}, "2026-03-09 00:00"),
        # The clocks go forward on 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00.
        ("2026-03-28 18:00", {"hours": "09:00-17:00"}, "2026-03-29 09:00"),
        ("2026-10-24 18:00", {"hours": "09:00-17:00"}, "2026-10-25 09:00"),
    ],
)
def test_hours_follow_the_clocks_of_the_time_zone(
    now: str, fields: dict[str, object], expected: str
) -> None:
    assert opens(now, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"hours": "9-17"}, "hours = '9-17': must have the form 09:00-17:30"),
        ({"hours": "09:00-25:00"}, "must have the form"),
        ({"time_zone": "Europe/Berln"}, "time_zone = 'Europe/Berln'.*'Europe/Berlin'"),
        ({"days": ["mon", "mon"]}, "names a day twice"),
    ],
)
def test_a_route_that_nobody_can_read_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_route(RouteDefinition(name="r", channels=["c"], **fields))  # type: ignore[arg-type]
