"""Rules alert on what the alerters alert on, also where only the collector can judge."""

from dataclasses import replace
from typing import Any

import pytest

from nilometer.alert import Condition
from nilometer.alert.conditions import (
    AgainstBaseline,
    AgainstOther,
    AgainstPrevious,
    AgainstReference,
    Direction,
)
from nilometer_collector.alerting.prometheus_rules import alert
from nilometer_collector.testing import an_alerter


@pytest.mark.parametrize(
    "condition",
    [
        AgainstPrevious(threshold=0.25),
        AgainstBaseline(threshold=0.25),
        AgainstOther(threshold=0.25, other_labels="version=1"),
    ],
)
def test_the_collector_s_status_decides_where_agents_cannot_judge(condition: Condition) -> None:
    made = alert(an_alerter(condition=condition), 60)
    assert made["expr"] == (
        "max without (instance, job, pod) (nilometer_alert_status{"
        'nilometer_entity="fraud-scorer",nilometer_alerter="drift",nilometer_status="ALERTING"}) > 0'
    )
    annotations: Any = made["annotations"]
    assert "$value" not in annotations["summary"]


def test_a_direction_is_the_verdict_of_the_agents() -> None:
    condition = AgainstReference(reference="training", threshold=0.2, direction=Direction.UP)
    assert "nilometer_evaluation_breach" in str(alert(an_alerter(condition=condition), 60)["expr"])


def test_a_breach_must_last_as_long_as_the_alerter_asks() -> None:
    alerter = an_alerter(windows_to_open=2)
    waits = [alert(replace(alerter, for_seconds=wait), 60)["for"] for wait in (0.0, 90.0, 300.0)]
    assert waits == ["60s", "60s", "240s"]
