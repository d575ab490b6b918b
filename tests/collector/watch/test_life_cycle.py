"""Entities without traffic on many windows learn, are judged, and are frozen at the time stated."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.watched_traffic import DAY, MONDAY_NS, Traffic, normal

from nilometer.alert import AlertStatus
from nilometer.alert.reason import Reason
from nilometer.values.times import time_text
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.store import open_store
from nilometer_collector.watch.memory import DAY_NS

HOUR = DAY // 24
NINE = 9 * HOUR


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Traffic]:
    """An entity with one summary, which nobody has used yet."""
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        yield Traffic(store, columns={"input.amount": normal()})
    finally:
        store.close()


def serve(traffic: Traffic, days: int, windows_of: Callable[[int], int]) -> list[WatchReport]:
    """Serve from nine o'clock on; return the status at the end of each day."""
    found = []
    for day in range(days):
        windows = windows_of(day)
        traffic.skip(NINE)
        traffic.send_all(windows)
        traffic.skip(DAY - NINE - windows)
        traffic.watch.advance()
        found.append(traffic.report)
    return found


def first(reports: list[WatchReport], phase: str) -> int:
    return next(day for day, one in enumerate(reports) if one.phase == phase)


def test_two_hours_on_weekdays(traffic: Traffic) -> None:
    reports = serve(traffic, 18, lambda day: 2 * HOUR if day % 7 < 5 else 0)  # from a Monday on
    assert (first(reports, "COARSE"), first(reports, "ACTIVE")) == (1, 13)
    assert reports[9].next_phase_ns == MONDAY_NS + 14 * DAY_NS
    assert "until about 2025-07-07 00:00 UTC" in reports[9].sentence
    assert (reports[14].frozen, reports[15].frozen) == (False, True)
    assert f"until about {time_text(reports[15].frozen_ns or 0)}" in reports[13].sentence
    traffic.columns["input.amount"] = normal(0.5)
    serve(traffic, 7, lambda day: 0 if day in (1, 2) else 2 * HOUR)  # from a Friday on
    assert traffic.statuses == [["ALERTING"]]  # a weekend does not close it


def test_a_batch_a_week_and_then_a_broken_one(traffic: Traffic) -> None:
    reports = serve(traffic, 14 * 7, lambda day: int(day % 7 == 0))
    assert first(reports, "ACTIVE") == 4 * 7 + 1
    assert not reports[13 * 7 - 1].frozen
    assert reports[-1].frozen
    assert reports[-1].reason is Reason.WATCHED
    traffic.columns["input.amount"] = normal(3.0)
    (*_, last) = serve(traffic, 3 * 7, lambda day: int(day % 7 == 0))
    assert traffic.statuses == [["ALERTING"]]
    assert last.status is AlertStatus.ALERTING


def test_a_pause_of_two_weeks_keeps_what_was_learned(traffic: Traffic) -> None:
    reports = serve(traffic, 30, lambda day: 2 * HOUR if day < 5 or day >= 19 else 0)
    assert first(reports, "ACTIVE") == 21
    assert reports[-1].frozen
    assert traffic.statuses == []
