import numpy as np

from nilometer.alert.calibrated.factors import HOLIDAY_FACTOR, Factors
from nilometer.alert.calibrated.slots import HOLIDAY, WEEKDAY, Slots

FACTORS = Factors([1.0, 1.0, 5.0], [False, True, False])


def slots_of(*kinds: int) -> Slots:
    kind = np.array(kinds, np.intp)
    return Slots(np.arange(len(kinds)), np.zeros_like(kind), kind, 288)


def test_only_holidays_of_which_too_few_were_learned_have_wider_tolerances() -> None:
    found = FACTORS.at(slots_of(WEEKDAY, HOLIDAY))
    assert found.tolist() == [[1.0, 1.0, 5.0], [HOLIDAY_FACTOR, 1.0, 5.0]]


def test_windows_without_a_holiday_share_their_factors() -> None:
    assert FACTORS.at(slots_of(WEEKDAY, WEEKDAY)).tolist() == [1.0, 1.0, 5.0]
