"""Settings of the default alerter are checked when they are read."""

import pytest

from nilometer.settings.settings import checked
from nilometer.values.errors import ConfigError
from nilometer_collector.settings import CollectorSettings


@pytest.mark.parametrize(
    "rule",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"holidays": ["2026-02-29"]},
        {"holidays": ["13-01"]},
        {"holidays": ["Christmas"]},
        {"budget_days": 0.1},
        {"tolerances": {"input.*": 0.0}},
        {"share_tolerances": {"input.*": 1.5}},
        {"watches": False},
    ],
)
def test_a_rule_that_is_not_allowed_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        checked(CollectorSettings, {"watch": [rule]})
