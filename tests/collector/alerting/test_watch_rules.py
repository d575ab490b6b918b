"""Settings of the default alerter."""

import pytest

from nilometer.alert.calibrated.tolerance import Tolerance
from nilometer_collector.alerting.watch_rules import WatchRule


def test_the_tolerance_of_the_shape_follows_that_of_the_position() -> None:
    rule = WatchRule(tolerances={"input.amount": 0.3})
    assert rule.tolerance("input.amount").smooth == 0.3
    assert rule.tolerance("input.amount").shape == pytest.approx(9 * Tolerance().shape)
    assert rule.tolerance("input.age") == Tolerance()
