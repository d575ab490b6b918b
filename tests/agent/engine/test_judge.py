import pytest
from support.outside import MOST, OUTSIDE, Most

from nilometer.alert import Alerter, Judgement
from nilometer.testing import registered
from nilometer_agent.engine.judge import evaluate_all
from nilometer_agent.uplink.plan import ActivePlan
from nilometer_collector.testing import an_alerter, feature_sample


def test_an_alerter_that_fails_costs_no_other_evaluation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A condition may be code of others, and the window must close all the same."""

    def broken(*given: object) -> Judgement:
        raise ZeroDivisionError

    monkeypatch.setattr(Most, "judge", broken)
    alerters: list[Alerter] = [MOST, an_alerter()]
    with registered(OUTSIDE):
        (found,) = evaluate_all(ActivePlan([], alerters), [feature_sample([1.0])])
    assert found.alerter == an_alerter()
    (logged,) = (record for record in caplog.records if "an alerter failed" in record.message)
    assert logged.__dict__["alerter"] == "most"
