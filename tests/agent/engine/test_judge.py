import pytest
from support.outside import MOST, OUTSIDE, Most

from nilometer.alert import Alerter, Fixed, Judgement, Verdict
from nilometer.testing import registered
from nilometer.v1.alert_pb2 import Evaluation
from nilometer.wire.alerts import evaluation_from_wire
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.judge import OpenWindow, evaluate_all, judge
from nilometer_agent.outbox.rows import Partial, WindowKey
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


@pytest.mark.parametrize(
    ("collector_judges", "edge", "sent"),
    [(True, False, []), (True, True, [True]), (False, False, [False])],
)
def test_evaluations_are_sent_only_where_the_collector_does_not_judge(
    *, collector_judges: bool, edge: bool, sent: list[bool]
) -> None:
    """Those of an agent that was cut off are marked, so that the collector uses them."""
    sample = feature_sample([5.0] * 200)
    key = WindowKey(sample.entity, sample.labels, sample.window)
    partial = Partial(1, samples_to_bytes([sample]), 200)
    alerter = an_alerter(condition=Fixed(statistic="mean", threshold=1.0))
    plan = ActivePlan([], [alerter], collector_judges=collector_judges)
    window = OpenWindow(key, lambda: iter([partial]), 0, late=False, edge=edge)
    judged = judge(window, plan)
    assert judged is not None
    assert [one.verdict for one in judged.evaluations] == [Verdict.BREACH]
    rows = [row for row in judged.closing.rows if row.kind == "evaluation"]
    found = [evaluation_from_wire(Evaluation.FromString(row.payload)) for row in rows]
    assert [one.edge for one in found] == sent
