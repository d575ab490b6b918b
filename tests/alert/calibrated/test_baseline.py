"""The length of the windows over which a column is judged follows its rows."""

import numpy as np
import pytest

from nilometer.alert.calibrated.baseline import window_length
from nilometer.alert.calibrated.columns import Floats

DAY = 288


def night_and_day(by_night: float, by_day: float) -> Floats:
    """Rows of two weeks of windows, twelve hours of each day with *by_day* rows a window."""
    day = np.where((np.arange(DAY) >= 96) & (np.arange(DAY) < 240), by_day, by_night)
    return np.tile(day, 14)


@pytest.mark.parametrize(
    ("rows", "length"),
    [
        (np.full(DAY, 100.0), 1),
        (np.full(DAY, 30.0), 1),
        (np.full(DAY, 29.0), 2),
        (np.full(DAY, 10.0), 3),
        (np.full(DAY, 1.0), 72),
        (np.full(DAY, 0.1), 288),
        (night_and_day(8.0, 100.0), 1),  # 7 % of the rows come by night
        (night_and_day(20.0, 100.0), 2),  # 17 %
        (night_and_day(0.0, 100.0), 1),
        (night_and_day(0.0, 10.0), 3),
        (np.where(np.arange(14 * DAY) % DAY == 24, 1000.0, 0.0), 1),  # a batch a day
        (np.zeros(DAY), 288),
    ],
)
def test_nine_tenths_of_the_rows_are_in_windows_that_can_be_judged(
    rows: Floats, length: int
) -> None:
    assert window_length(rows) == length


def test_windows_are_as_long_as_those_that_agents_send() -> None:
    assert window_length(np.full(DAY, 100.0), shortest=5) == 6
