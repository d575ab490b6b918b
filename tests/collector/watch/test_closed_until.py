"""A window is closed when every agent that still sends has sent a later one."""

import pytest

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.senders import TABLES
from nilometer_collector.query.arrivals import AHEAD_NS
from nilometer_collector.store import HeardRecord
from nilometer_collector.watch.memory import DAY_NS
from nilometer_collector.watch.watch import closed_until, past_until

NOW = 1_000_000 * BASE_NS
JUDGED = NOW - 10 * BASE_NS


def heard(name: str, end: int, *, ago: int = 0) -> HeardRecord:
    """An agent whose newest window ended *end* base windows before now, heard *ago* of them ago."""
    end_ns, received_ns = NOW - end * BASE_NS, NOW - ago * BASE_NS
    return HeardRecord(agent=name, end_ns=end_ns, received_ns=received_ns, lag_ns=0, least_lag_ns=0)


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        ([], JUDGED),
        ([heard("a", 1)], NOW - 2 * BASE_NS),
        ([heard("a", 1), heard("b", 4)], NOW - 5 * BASE_NS),
        ([heard("a", 1), heard("gone", 4, ago=3)], NOW - 2 * BASE_NS),
        ([heard("a", 1), heard("replays history", 500)], NOW - 2 * BASE_NS),
        ([heard("replays history", 500)], JUDGED),
        ([heard("gone", 4, ago=3), heard("also gone", 6, ago=5)], NOW - 4 * BASE_NS),
        ([heard("a", 1), heard(TABLES, 8, ago=1)], NOW - 2 * BASE_NS),
        ([heard("a", 1), heard(TABLES, 8)], JUDGED),
        ([heard(TABLES, 8, ago=1)], NOW - 8 * BASE_NS),
        ([heard(TABLES, 12, ago=1)], JUDGED),
        ([heard("a", 1), heard("clock ahead", -200)], NOW - 2 * BASE_NS),
        ([heard("gone", 4, ago=2), heard("clock ahead", -200)], NOW - 4 * BASE_NS),
        ([heard("gone", 4, ago=3), heard("clock ahead", -200)], NOW - BASE_NS),
        ([heard("gone", 4, ago=5), heard("clock ahead", -200, ago=2)], NOW),
        ([heard("replays history", 500), heard("clock ahead", -2)], NOW - BASE_NS),
        ([heard("gone", 4, ago=3), heard("clock ahead", -200, ago=3)], NOW - 4 * BASE_NS),
        ([heard("clock ahead", -200)], NOW + AHEAD_NS),
        ([heard("buffered", 11), heard("a", 1)], JUDGED),
        ([heard("buffered for longer", 30), heard("a", 1)], NOW - 2 * BASE_NS),
    ],
)
def test_agents_that_still_send_are_awaited(agents: list[HeardRecord], expected: int) -> None:
    assert closed_until(agents, JUDGED, NOW, 0) == expected


def test_windows_of_tables_are_past_up_to_their_arrival() -> None:
    assert past_until([heard("a", 1)]) == 0
    assert past_until([heard("a", 1), heard(TABLES, 8)]) == NOW - 8 * BASE_NS
    assert past_until([heard(TABLES, -300, ago=2)]) == NOW - 2 * BASE_NS


def test_a_collector_that_has_just_started_waits_for_its_agents() -> None:
    silent = [heard("a", 4, ago=3)]
    assert closed_until(silent, JUDGED, NOW, NOW - BASE_NS) == JUDGED
    assert closed_until(silent, JUDGED, NOW, NOW - 3 * BASE_NS) == NOW - 4 * BASE_NS


def test_time_goes_on_without_data_after_a_day() -> None:
    last = NOW - 2 * DAY_NS
    silent = [HeardRecord(agent="a", end_ns=last, received_ns=last, lag_ns=0, least_lag_ns=0)]
    assert closed_until(silent, last, last + DAY_NS - BASE_NS, 0) == last
    assert closed_until(silent, last, NOW, 0) == NOW
