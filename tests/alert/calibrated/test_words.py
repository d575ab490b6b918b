import pytest

from nilometer.alert.calibrated.effects import Unit
from nilometer.alert.calibrated.words import amount


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0512, Unit.SHARE, "5.1 %"),
        (0.994, Unit.SHARE, "99 %"),
        (0.9999, Unit.SHARE, "100 %"),
        (-1.0, Unit.SHARE, "-100 %"),
        (1234.5, Unit.DEVIATIONS, "1234 sd"),
        (0.1234, Unit.DEVIATIONS, "0.12 sd"),
    ],
)
def test_an_amount_is_written_without_powers_of_ten(value: float, unit: Unit, text: str) -> None:
    assert amount(value, unit) == text
