"""Factors that widen tolerances where a baseline has seen little: a young one, and on holidays."""

from collections.abc import Sequence

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.slots import HOLIDAY, Slots

HOLIDAY_FACTOR = 3.0  # factor on holidays until a baseline has learned from two of them


def on_holidays(factor: float, *, knows_holidays: bool) -> float:
    """Return the factor of tolerances on a holiday.

    Args:
        factor: Factor on other days.
        knows_holidays: Whether the baseline has means for holidays.
    """
    return factor if knows_holidays else max(factor, HOLIDAY_FACTOR)


class Factors:
    """Factors of the tolerances of j components.

    Args:
        usual: Factor of each component on days that are no holidays, shape (j,).
        knows_holidays: Whether the baseline of each component has means for holidays, shape (j,).
    """

    def __init__(self, usual: Sequence[float], knows_holidays: Sequence[bool]) -> None:
        self._usual = np.array(usual)
        self._on_holidays = np.array(
            [
                on_holidays(factor, knows_holidays=knows)
                for factor, knows in zip(usual, knows_holidays, strict=True)
            ]
        )

    def at(self, slots: Slots) -> Floats:
        """Return the factors in W windows, shape (j,), or (W, j) if some are on holidays."""
        is_holiday = slots.kind == HOLIDAY
        if not is_holiday.any():
            return self._usual
        return np.where(is_holiday[:, None], self._on_holidays, self._usual)
