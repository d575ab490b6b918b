"""Predictions are judged by labels that arrive late, once, and when enough of them have arrived."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from support.labelled_traffic import LABEL, QUALITY, LabelledTraffic, rows_with_errors
from support.made_once import made_once
from support.watched_traffic import DAY

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.reason import Reason
from nilometer.profile.performance import Regression, binary, classes_only
from nilometer.values.window import Window
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.watch_report import SummaryReport
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import Store, open_store
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import DAY_NS, Memory
from nilometer_collector.watch.performance_memory import PerformanceMemory

ROWS = 400
USUAL = 0.1  # share of errors
LEARNED_DAYS = 15  # from which on baselines are frozen
RISK, PRICE, FRAUD = "logged.risk", "logged.price", "logged.fraud"

Job: TypeAlias = Callable[[LabelledTraffic, Window, np.random.Generator], None]
GoingOn: TypeAlias = Callable[..., LabelledTraffic]


def quality(share: float = USUAL) -> Job:
    """Return a job that logs classes, of which a *share* is wrong."""
    return lambda traffic, window, rng: traffic.log(window, rows_with_errors(ROWS, share, rng))


def risk(spread: float = 0.45, known: float = 1.0, flipped: float = 0.0) -> Job:
    """Return a job that logs scores, *spread* or a bit less away from one half.

    Only a share of *known* low scores has a label. Scores are calibrated, but for a share of
    *flipped* labels.
    """

    def job(traffic: LabelledTraffic, window: Window, rng: np.random.Generator) -> None:
        scores = 0.5 + spread * rng.choice([-1, 1], ROWS) * rng.uniform(0.8, 1, ROWS)
        true = (rng.random(ROWS) < scores) ^ (rng.random(ROWS) < flipped)
        truth = true.astype(int).tolist()
        has = (scores > 0.5) | (rng.random(ROWS) < known)
        labels = [one if is_known else None for one, is_known in zip(truth, has, strict=True)]
        traffic.score(window, scores)
        traffic.log(window, binary(scores, labels), summary=RISK)

    return job


def price(bias: float = 0.0) -> Job:
    """Return a job that logs numbers, whose errors have the mean *bias*."""

    def job(traffic: LabelledTraffic, window: Window, rng: np.random.Generator) -> None:
        truth = rng.normal(50, 10, ROWS)
        rows = Regression.of(truth + rng.normal(bias, 2.0, ROWS), truth)
        traffic.log(window, rows, summary=PRICE)

    return job


def fraud(missed: float = 0.1) -> Job:
    """Return a job that logs a rare class, of which a share is *missed*."""

    def job(traffic: LabelledTraffic, window: Window, rng: np.random.Generator) -> None:
        truth = (rng.random(ROWS) < 0.1).astype(int)
        predicted = truth * (rng.random(ROWS) >= missed)
        traffic.log(window, classes_only(predicted.tolist(), truth.tolist()), summary=FRAUD)

    return job


def run(traffic: LabelledTraffic, days: int, *jobs: Job) -> None:
    """Send *days* days of predictions, of which the *jobs* know labels by the end of the day."""
    for _ in range(days):
        window, rng = day(traffic), np.random.default_rng([7, traffic.number])
        traffic.predict(window, ROWS)
        for job in jobs:
            job(traffic, window, rng)
        traffic.wait(DAY)


def day(traffic: LabelledTraffic) -> Window:
    """Return the day that begins now, as one window."""
    start_ns = traffic.window().start_ns
    return Window(start_ns, start_ns + DAY_NS)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store after fifteen healthy days."""

    def make(directory: Path) -> None:
        with closing(open_store(directory / "collector.db", "slack")) as store:
            run(LabelledTraffic(store), LEARNED_DAYS, quality(), risk(), price(), fraud())

    return made_once(tmp_path_factory, "learned-labelled", make) / "collector.db"


@pytest.fixture
def going_on(learned: Path, tmp_path: Path) -> Iterator[GoingOn]:
    """Makes traffic that goes on after fifteen days, each in a copy of the prepared store."""
    opened: list[Store] = []

    def make(rule: WatchRule | None = None) -> LabelledTraffic:
        directory = tmp_path / str(len(opened))
        shutil.copytree(learned.parent, directory)
        store = open_store(directory / learned.name, "slack")
        opened.append(store)
        traffic = LabelledTraffic(store, rules=() if rule is None else (rule,))
        traffic.start_at(LEARNED_DAYS * DAY)
        traffic.clock.wall_ns += BASE_NS // 5
        return traffic

    yield make
    for store in opened:
        store.close()


def report_of(traffic: LabelledTraffic, summary: str = QUALITY) -> SummaryReport:
    """Return the status of *summary*."""
    return next(one for one in traffic.report.summaries if one.summary == summary)


def state_of(traffic: LabelledTraffic) -> PerformanceMemory:
    """Return how far the performance is judged."""
    record = traffic.store.watching.load(ENTITY)
    assert record is not None
    return unpacked(record.state, Memory).performance[QUALITY]


def components(traffic: LabelledTraffic) -> list[str]:
    """Return the components of the parts of all episodes."""
    return [part.component for one in traffic.store.alerts.episodes() for part in one.parts]


def test_an_episode_says_how_often_the_model_is_wrong_and_how_often_it_usually_is(
    going_on: GoingOn,
) -> None:
    traffic = going_on()
    run(traffic, 2, quality())
    assert report_of(traffic).status is AlertStatus.OK
    run(traffic, 3, quality(0.3))
    (episode,) = traffic.store.alerts.episodes()
    (part,) = episode.parts
    assert (part.summary, part.component, part.tolerance) == (QUALITY, "error rate", 0.03)
    assert part.severity == "critical"
    assert re.match(
        rf"the error rate of {QUALITY} is (28|29|30)\.\d % \(usual 10\.\d %, ± 1\.\d %\) since",
        part.evidence,
    )
    assert abs(part.onset_ns - traffic.window(-3 * DAY).start_ns) <= DAY_NS
    assert report_of(traffic).reason is Reason.DRIFT
    run(traffic, 8, quality())
    assert traffic.statuses == [["ALERTING", "OK"]]


def test_scored_classes_also_say_their_error_rate(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 3, risk(flipped=0.4))
    evidence = [
        part.evidence
        for one in traffic.store.alerts.episodes()
        for part in one.parts
        if part.summary == RISK
    ]
    assert len(evidence) == 1
    assert re.search(r"error rate (of logged.risk )?is [34]\d\.\d % \(usual \d\.\d %", evidence[0])
    assert not traffic.store.watching.open_parts() & {(ENTITY, f"{LABEL}.scores")}


def test_a_model_that_gets_better_is_no_alarm(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 6, quality(0.01))
    assert traffic.statuses == []


def test_a_window_waits_for_labels_and_is_judged_once(going_on: GoingOn) -> None:
    traffic = going_on()
    judged = state_of(traffic).judged
    window, rng = day(traffic), np.random.default_rng(3)
    traffic.predict(window, ROWS)
    traffic.log(window, rows_with_errors(ROWS // 4, USUAL, rng))
    traffic.wait(DAY)
    report = report_of(traffic)
    assert (report.status, report.reason) == (AlertStatus.OK, Reason.IMMATURE)
    assert "25.0 % of 400 predictions have one, and 50.0 % are needed" in report.sentence
    assert state_of(traffic).judged == judged
    traffic.log(window, rows_with_errors(ROWS // 2, USUAL, rng))
    traffic.wait(1)
    after = state_of(traffic)
    assert (after.judged, after.end_ns, after.waiting) == (judged + 1, window.end_ns, None)
    traffic.log(window, rows_with_errors(ROWS // 4, 1.0, rng))
    traffic.wait(1)
    late = state_of(traffic)
    assert late.judged == judged + 1
    assert all(
        (late.models[length].evidence.m == model.evidence.m).all()
        for length, model in after.models.items()
    )


def test_a_window_whose_labels_never_come_is_passed_over(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 2)
    assert report_of(traffic).reason is Reason.IMMATURE
    run(traffic, 1, quality())
    state = state_of(traffic)
    assert (state.passed_over, state.waiting) == (2, None)
    assert report_of(traffic).reason is Reason.WATCHED


def test_windows_that_were_stored_before_are_learned_from_and_not_judged(tmp_path: Path) -> None:
    store = open_store(tmp_path / "collector.db", "slack")
    traffic = LabelledTraffic(store)
    for number in range(20):
        window = day(traffic)
        traffic.predict(window, ROWS)
        rng = np.random.default_rng(number)
        traffic.log(window, rows_with_errors(ROWS, 0.4 if number == 19 else USUAL, rng))
        traffic.number += DAY
    traffic.wait(1)
    assert traffic.statuses == []
    assert report_of(traffic).status is AlertStatus.OK
    store.close()


def test_a_restart_changes_nothing(going_on: GoingOn) -> None:
    found = []
    for restarts in (False, True):
        traffic = going_on()
        for share in (USUAL, 0.3, 0.3, 0.3):
            run(traffic, 1, quality(share))
            if restarts:
                traffic.restart()
        record = traffic.store.watching.load(ENTITY)
        assert record is not None
        found.append((record.state, [one.evidence for one in traffic.store.alerts.episodes()]))
    assert found[0] == found[1]
    assert len(found[0][1]) == 1


def test_an_accepted_new_normal_closes_the_part_and_is_learned(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 3, quality(0.3))
    (episode,) = traffic.store.alerts.episodes()
    decision = Decision(
        kind=DecisionKind.NEW_NORMAL,
        author="ada",
        reason="a harder market",
        made_ns=traffic.clock.now_ns(),
        summary=QUALITY,
    )
    traffic.store.decisions.make(ENTITY, episode.id, decision)
    traffic.wait(1)
    assert [turn[-1] for turn in traffic.statuses] == ["LEARNING"]
    run(traffic, 8, quality(0.3))
    assert len(traffic.statuses) == 1
    assert report_of(traffic).status is AlertStatus.OK


def test_an_estimate_finds_unsure_scores_and_says_what_it_does_not_see(going_on: GoingOn) -> None:
    traffic = going_on()
    assert report_of(traffic, f"{LABEL}.scores").status is AlertStatus.OK
    run(traffic, 4, risk(0.2))
    parts = {part.summary: part for one in traffic.store.alerts.episodes() for part in one.parts}
    estimate = parts[f"{LABEL}.scores"]
    assert estimate.component == "estimated error rate"
    assert estimate.evidence.endswith("which does not see concept drift")


def test_labels_of_a_biased_few_are_mentioned_and_are_no_alarm(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 2, risk(known=0.4))
    report = report_of(traffic, RISK)
    assert re.search(r"their mean score is 0\.6\d, higher than 0\.[45]\d of all", report.sentence)
    assert report.status is AlertStatus.OK


def test_a_bias_of_a_regression_is_found(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 3, price(1.0))
    assert components(traffic) == ["position"]


def test_the_rule_of_a_person_sets_the_tolerance(going_on: GoingOn) -> None:
    traffic = going_on(rule=WatchRule(share_tolerances={QUALITY: 0.3}))
    run(traffic, 4, quality(0.3))
    assert traffic.statuses == []


def test_the_rows_of_a_rare_class_are_judged_apart(going_on: GoingOn) -> None:
    traffic = going_on()
    run(traffic, 3, fraud(0.4))
    assert components(traffic) == ["error rate of class 1"]
