"""A candidate is compared with the stable side from its first window on, over stored windows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from support.watched_traffic import KEY, MONDAY_NS, Traffic, normal

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.two_samples import Outcome
from nilometer.profile import FeatureRecorder, FeatureSpec
from nilometer.values.labels import LabelFilter
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.canary.canary import Canaries
from nilometer_collector.canary.records import Question, Reason, Verdict
from nilometer_collector.errors import TooMuch, Unknown
from nilometer_collector.store import SeriesRecord, Size, Store
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import DAY_NS

ROWS = 400
EARLIER = 3  # windows of the stable side before the first of the candidate


def traffic(store: Store, labels: Mapping[str, str], agent: str, mean: float = 0.0) -> Traffic:
    columns = {"input.amount": normal(mean, ROWS), "input.age": normal(5.0, ROWS)}
    return Traffic(store, labels=labels, agents=(agent,), columns=columns)


def both(store: Store, windows: int, mean: float = 0.0) -> Traffic:
    """Send windows of version 1, and later ones of version 2, whose amounts have this *mean*."""
    stable = traffic(store, {"version": "1"}, "pod-1")
    stable.send_all(EARLIER)
    candidate = traffic(store, {"version": "2"}, "pod-2", mean)
    candidate.number = EARLIER
    for _ in range(windows):
        stable.send()
        candidate.send()
    return candidate


def verdict(traffic: Traffic, rule: WatchRule | None = None, **asked: Any) -> Verdict:
    question = Question(entity=ENTITY, **asked)
    return Canaries(traffic.store, traffic.clock).verdict(question, rule or WatchRule())


def test_a_different_candidate_fails_within_four_windows(store: Store) -> None:
    found = verdict(both(store, 5, 0.5))
    assert (found.outcome, found.reason) == (Outcome.FAIL, Reason.DIFFERENT)
    first, second = found.summaries
    assert (first.summary, first.outcome) == ("input.amount", Outcome.FAIL)
    assert first.difference is not None
    assert (first.difference.component, first.difference.direction) == ("position", 1)
    assert first.difference.windows <= 4
    assert found.sentence == first.sentence
    assert first.sentence.startswith("the position of input.amount is 0.")
    assert "above stable, noise" in first.sentence
    assert second.outcome is not Outcome.FAIL


@pytest.mark.parametrize("version", ["2", "3-rc"])
def test_logged_samples_neither_choose_nor_move_the_comparison(store: Store, version: str) -> None:
    candidate = both(store, 5, 0.5)
    before = verdict(candidate)
    for window in (candidate.window(-20), candidate.window(-1)):
        candidate.send_logged(window, {"version": version})
    assert before.outcome is Outcome.FAIL
    assert verdict(candidate) == before


def test_it_begins_with_the_candidates_first_window(store: Store) -> None:
    candidate = both(store, 5)
    found = verdict(candidate)
    assert found.start_ns == MONDAY_NS + EARLIER * BASE_NS
    assert found.end_ns == candidate.window(-1).start_ns  # the last one may still get data
    assert (found.candidate, found.stable) == (["version=2"], ["version=1"])
    later = verdict(candidate, start_ns=found.start_ns + 2 * BASE_NS)
    assert later.start_ns == found.start_ns + 2 * BASE_NS


def test_a_comparison_that_would_forget_a_failure_is_refused(store: Store) -> None:
    candidate = both(store, 5, 0.5)
    assert verdict(candidate).outcome is Outcome.FAIL
    candidate.clock.wall_ns += 8 * DAY_NS
    with pytest.raises(TooMuch, match=r"start: .* 8\.0 days ago, and at most 7 days"):
        verdict(candidate)
    later = verdict(candidate, start_ns=candidate.clock.now_ns() - DAY_NS)
    assert later.outcome is Outcome.HOLD


def test_an_equal_candidate_passes(store: Store) -> None:
    candidate = both(store, 24)
    found = verdict(candidate)
    assert (found.outcome, found.reason) == (Outcome.PASS, Reason.ALIKE)
    assert found.sentence == "all 2 summaries are like those of the stable side"
    assert verdict(candidate, least_windows=100).outcome is Outcome.HOLD


def test_the_sides_may_be_named(store: Store) -> None:
    candidate = both(store, 5, 0.5)
    one, two = (LabelFilter.of([("version", name)]) for name in "12")
    swapped = verdict(candidate, candidate=one, stable=two)
    assert swapped.outcome is Outcome.FAIL
    assert swapped.summaries[0].difference is not None
    assert swapped.summaries[0].difference.direction == -1
    assert "below stable" in swapped.sentence
    assert verdict(candidate, summary="input.age").summaries[0].summary == "input.age"


def test_a_wide_tolerance_of_the_settings_applies(store: Store) -> None:
    candidate = both(store, 5, 0.5)
    rule = WatchRule(tolerances={"*": 2.0})
    assert verdict(candidate, rule).outcome is not Outcome.FAIL


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, Reason.NO_CANDIDATE_DATA),
        ({"candidate": LabelFilter.of([("version", "2")])}, Reason.NO_CANDIDATE_DATA),
        ({"candidate": LabelFilter.of([("version", "1")])}, Reason.NO_STABLE_DATA),
    ],
)
def test_a_side_without_data_holds(store: Store, asked: dict[str, Any], reason: Reason) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    stable.send_all(3)
    found = verdict(stable, **asked)
    assert (found.outcome, found.reason, found.summaries) == (Outcome.HOLD, reason, ())


def test_a_first_window_that_is_not_complete_holds(store: Store) -> None:
    found = verdict(both(store, 1))
    assert (found.outcome, found.reason) == (Outcome.HOLD, Reason.NO_WINDOW_YET)


def test_a_summary_that_the_candidate_lacks_holds(store: Store) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    del candidate.columns["input.age"]
    for _ in range(24):
        stable.send()
        candidate.send()
    found = verdict(candidate)
    assert (found.outcome, found.reason) == (Outcome.HOLD, Reason.NO_CANDIDATE_DATA)
    assert found.sentence == "the candidate has sent nothing of input.age"


def test_a_summary_that_only_the_candidate_has_is_shown_and_does_not_count(store: Store) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    candidate.columns["input.new"] = normal(0.0, ROWS)
    for _ in range(24):
        stable.send()
        candidate.send()
    found = verdict(candidate)
    assert found.outcome is Outcome.PASS
    (alone,) = [one for one in found.summaries if one.summary == "input.new"]
    assert (alone.reason, alone.counts) == (Reason.NO_STABLE_DATA, False)
    assert alone.sentence == "only the candidate has sent input.new: nothing to compare it with"


def test_only_summaries_that_the_stable_side_lacks_are_looked_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    candidate.columns["input.new"] = normal(0.0, ROWS)
    for _ in range(3):
        stable.send()
        candidate.send()
    asked: list[set[str]] = []
    samples = type(store.samples)
    size = samples.size

    def counted(self: Any, series: Sequence[SeriesRecord], *rest: Any) -> Size:
        asked.append({one.summary for one in series})
        return size(self, series, *rest)

    monkeypatch.setattr(samples, "size", counted)
    assert len(verdict(candidate).summaries) == 3
    assert asked == [{"input.age", "input.amount", "input.new"}, {"input.new"}]


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_whose_traffic_ended_before_is_told(store: Store, version: str) -> None:
    going = traffic(store, {"version": {"1": "2", "2": "1"}[version]}, "pod-1")
    ended = traffic(store, {"version": version}, "pod-2")
    ended.send_all(3)
    going.send_all(12)
    start_ns = going.window(-6).start_ns
    found = verdict(going, start_ns=start_ns, candidate=LabelFilter.of([("version", "2")]))
    side = Reason.NO_STABLE_DATA if version == "1" else Reason.NO_CANDIDATE_DATA
    assert (found.outcome, found.reason, found.start_ns) == (Outcome.HOLD, side, start_ns)


@pytest.mark.parametrize("spec", [FeatureSpec(readable=True), FeatureSpec(key=KEY, distinct=False)])
def test_names_under_another_privacy_are_no_difference(store: Store, spec: FeatureSpec) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    for _ in range(6):
        for side, own in ((stable, FeatureSpec(key=KEY)), (candidate, spec)):
            side.send()
            recorder = FeatureRecorder(own)
            recorder.observe(["north", "south"] * (ROWS // 2))
            side.send_content("input.kind", recorder.profile())
    found = verdict(candidate)
    assert found.outcome is Outcome.HOLD
    (kind,) = [one for one in found.summaries if one.summary == "input.kind"]
    assert (kind.reason, kind.counts) == (Reason.OTHER_PRIVACY, True)


@pytest.mark.parametrize(
    ("rows", "own", "outcome", "reason"),
    [
        (ROWS, "garbage", Outcome.FAIL, Reason.DIFFERENT),
        (ROWS // 10, "name", Outcome.HOLD, Reason.TOO_FEW),
    ],
)
def test_a_candidate_without_names_differs_unless_it_has_too_few_rows(
    store: Store, rows: int, own: str, outcome: Outcome, reason: Reason
) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    for _ in range(6):
        for side, cells in (
            (stable, [f"name {at % 15}" for at in range(ROWS)]),
            (candidate, [f"{own} {at % (15 if own == 'name' else ROWS)}" for at in range(rows)]),
        ):
            side.send()
            recorder = FeatureRecorder(FeatureSpec(key=KEY))
            recorder.observe(cells)
            side.send_content("input.kind", recorder.profile().suppressed(5))
    found = verdict(candidate, summary="input.kind")
    assert (found.outcome, found.reason) == (outcome, reason)


def test_booleans_that_become_strings_differ(store: Store) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    for _ in range(6):
        for side, cells in ((stable, [True, False]), (candidate, ["yes", "no"])):
            side.send()
            recorder = FeatureRecorder(FeatureSpec(key=KEY))
            recorder.observe(cells * (ROWS // 2))
            side.send_content("input.flag", recorder.profile())
    found = verdict(candidate)
    assert (found.outcome, found.summaries[0].summary) == (Outcome.FAIL, "input.flag")


def test_few_rows_are_joined_to_longer_windows_or_hold(store: Store) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    candidate.columns = {"input.amount": normal(0.0, 12), "input.age": normal(5.0, 12)}
    for _ in range(3):
        stable.send()
        candidate.send()
    first = verdict(candidate)
    assert (first.outcome, first.reason) == (Outcome.HOLD, Reason.TOO_FEW)
    for _ in range(9):
        stable.send()
        candidate.send()
    later = verdict(candidate)
    assert later.reason is Reason.UNDECIDED
    assert {one.window_ns for one in later.summaries} == {3 * BASE_NS}


def test_failed_requests_are_compared(store: Store) -> None:
    stable = traffic(store, {"version": "1"}, "pod-1")
    candidate = traffic(store, {"version": "2"}, "pod-2")
    rng = np.random.default_rng(1)
    for _ in range(6):
        stable.send()
        stable.send_service(rng.gamma(2.0, 0.1, ROWS), failed=2)
        candidate.send()
        candidate.send_service(rng.gamma(2.0, 0.1, ROWS), failed=80)
    found = verdict(candidate)
    assert (found.outcome, found.summaries[0].summary) == (Outcome.FAIL, "service")
    assert found.sentence.startswith("the failed of service is ")


def test_unknown_entities_and_too_much_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = both(store, 3)
    with pytest.raises(Unknown, match="entity 'nobody' has no data"):
        verdict(candidate, candidate_entity="nobody")
    monkeypatch.setattr("nilometer_collector.canary.canary.MOST_SAMPLES", 1)
    with pytest.raises(TooMuch, match="the limit is 1"):
        verdict(candidate)
