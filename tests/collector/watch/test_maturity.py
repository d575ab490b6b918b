"""A window is mature when its share of labels is not unusually small for its age."""

from nilometer_collector.ground_truth.maturity import (
    FEWEST_LABELS,
    LEAST_SEEN,
    LEAST_SHARE,
    UNKNOWN,
    MaturityRule,
    Share,
)
from nilometer_collector.watch.performance_memory import AGES_NS, PerformanceMemory

HOUR, DAY = AGES_NS[2], AGES_NS[6]
RULE = MaturityRule()


def test_half_of_the_labels_are_enough_while_nothing_is_known() -> None:
    assert RULE.needed(UNKNOWN) == LEAST_SHARE
    few = PerformanceMemory.begun(0, 0).recorded(6, 0.99)
    assert RULE.needed(few.usual_at(DAY)) == LEAST_SHARE


def test_mean_and_spread_are_those_of_the_shares() -> None:
    found = Share.of([0.9, 0.98] * 10)
    assert abs(found.mean - 0.94) < 1e-9
    assert abs(found.variance - 0.04**2) < 1e-9
    assert abs(found.least - (0.94 - 3 * 0.04)) < 1e-9


def test_an_old_window_needs_more_than_a_young_one() -> None:
    memory = PerformanceMemory.begun(0, 0)
    for share in [0.97, 0.99] * LEAST_SEEN:
        memory = memory.recorded(2, 0.2).recorded(6, share)
    assert RULE.needed(memory.usual_at(HOUR)) == LEAST_SHARE
    assert RULE.needed(memory.usual_at(DAY - 1)) == LEAST_SHARE
    assert abs(RULE.needed(memory.usual_at(DAY)) - 0.95) < 1e-9


def test_shares_follow_a_change() -> None:
    found = Share.of([0.9] * 1000 + [0.6] * 2000)
    assert abs(found.mean - 0.6) < 0.01


def test_each_reason_names_what_is_missing() -> None:
    rule = MaturityRule(least_share=0.6, usual_lag_seconds=60.0)
    assert rule.why(40, 0.6, 60.0, UNKNOWN) == ""
    assert "not known" in rule.why(40, None, 60.0, UNKNOWN)
    assert f"{FEWEST_LABELS} are needed" in rule.why(29, 0.9, 60.0, UNKNOWN)
    assert "usually takes 60 seconds" in rule.why(40, 0.9, 59.0, UNKNOWN)
    assert "50.0% of the predictions" in rule.why(40, 0.5, 60.0, UNKNOWN)
