"""Further limits: a breach gets critical at one, and an episode closes only within the other."""

from dataclasses import replace
from typing import Any

import pytest

from nilometer.alert import Alerter, Fixed, Limit, Range, Severity, ThresholdSide
from nilometer.alert.conditions import AgainstReference
from nilometer.values.errors import ConfigError

HIGH = Fixed(statistic="mean", threshold=10.0)
LOW = Fixed(statistic="mean", threshold=10.0, side=ThresholdSide.BELOW)
BETWEEN = Range(statistic="mean", low=0.0, high=10.0)
FAR = AgainstReference(reference="training", threshold=0.2)
ALERTER = Alerter(entity="e", name="a", summary="*", condition=HIGH)


@pytest.mark.parametrize(
    ("condition", "critical", "values"),
    [
        (HIGH, Limit(threshold=20.0), {11.0: False, 20.0: True, 30.0: True}),
        (LOW, Limit(threshold=5.0), {9.0: False, 5.0: True, -1.0: True}),
        (FAR, Limit(threshold=0.5), {0.3: False, 0.6: True}),
        (BETWEEN, Limit(low=-5.0, high=50.0), {-1.0: False, -6.0: True, 49.0: False, 51.0: True}),
        (BETWEEN, Limit(high=50.0), {-100.0: False, 51.0: True}),
    ],
)
def test_a_breach_is_critical_at_and_beyond_the_limit(
    condition: Fixed | Range | AgainstReference, critical: Limit, values: dict[float, bool]
) -> None:
    alerter = replace(ALERTER, condition=condition, critical=critical)
    for value, is_critical in values.items():
        expected = Severity.CRITICAL if is_critical else Severity.WARNING
        assert alerter.severity_of(value) is expected
        assert replace(alerter, critical=None).severity_of(value) is Severity.WARNING


@pytest.mark.parametrize(
    ("condition", "closing", "values"),
    [
        (HIGH, Limit(threshold=8.0), {9.0: False, 8.0: True, 0.0: True}),
        (LOW, Limit(threshold=12.0), {11.0: False, 12.0: True}),
        (BETWEEN, Limit(low=2.0, high=8.0), {1.0: False, 2.0: True, 8.0: True, 9.0: False}),
        (BETWEEN, Limit(high=8.0), {1.0: True, 9.0: False}),
    ],
)
def test_an_episode_closes_only_within_the_closing_limit(
    condition: Fixed | Range, closing: Limit, values: dict[float, bool]
) -> None:
    alerter = replace(ALERTER, condition=condition, closing=closing)
    for value, may_close in values.items():
        assert alerter.may_close(value) is may_close
        assert replace(alerter, closing=None).may_close(value)


@pytest.mark.parametrize(
    ("condition", "key", "limit", "told"),
    [
        (HIGH, "critical", Limit(threshold=9.0), "critical.threshold = 9.0: must be beyond"),
        (LOW, "critical", Limit(threshold=11.0), "critical.threshold = 11.0: must be beyond"),
        (HIGH, "closing", Limit(threshold=11.0), "closing.threshold = 11.0: must be within"),
        (BETWEEN, "critical", Limit(low=1.0), "critical.low = 1.0: must be beyond"),
        (BETWEEN, "closing", Limit(high=11.0), "closing.high = 11.0: must be within"),
        (BETWEEN, "closing", Limit(low=9.0, high=1.0), "closing.low = 9.0: must be at most high"),
        (BETWEEN, "critical", Limit(threshold=1.0), "critical.threshold = 1.0: must be left out"),
        (HIGH, "critical", Limit(high=20.0), "critical.high = 20.0: must be left out"),
        (HIGH, "critical", Limit(), "critical = '{}': must be a limit with threshold"),
        (HIGH, "critical", Limit(threshold=float("inf")), "must be a finite number"),
    ],
)
def test_a_limit_that_contradicts_the_alerter_is_refused(
    condition: Fixed | Range, key: str, limit: Limit, told: str
) -> None:
    changes: dict[str, Any] = {"condition": condition, key: limit}
    with pytest.raises(ConfigError, match="alerter 'a'") as refused:
        replace(ALERTER, **changes)
    assert told in str(refused.value)
