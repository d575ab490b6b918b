"""Baselines learn from the newest days with traffic."""

from dataclasses import replace

import pytest

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.watch.memory import DAY_NS, LEARNED_DAYS, Memory


@pytest.mark.parametrize(("every", "days"), [(1, LEARNED_DAYS), (7, 7 * (LEARNED_DAYS - 1))])
def test_the_newest_days_with_traffic_are_learned(every: int, days: int) -> None:
    memory = Memory(begun_ns=0, end_ns=0, data_ns=0, fitted_ns=0)
    for day in range(0, 300, every):
        end_ns = day * DAY_NS + BASE_NS
        memory = replace(memory, end_ns=end_ns).with_data([], is_live=False)
    last_day = (memory.end_ns - 1) // DAY_NS
    assert memory.learning_ns // DAY_NS == last_day - days
