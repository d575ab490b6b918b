"""Alerters that users set judge the merged windows of an entity: one status and one episode for all agents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from support.outside import MOST, OUTSIDE, Most
from support.predicted import log_predictions
from support.shipping import a_sample_row, ship
from support.truths import a_truth, scored, tell

from nilometer.alert import (
    Alerter,
    AlertStatus,
    Evaluation,
    Fixed,
    Judgement,
    Limit,
    Range,
    Reason,
)
from nilometer.alert.conditions import (
    AgainstBaseline,
    AgainstOther,
    AgainstPrevious,
    AgainstReference,
    Direction,
)
from nilometer.alert.conditions.fixed import ThresholdSide
from nilometer.profile import SummarySample
from nilometer.profile.feature import Cell
from nilometer.testing import SteppedClock, registered
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import PERFORMANCE
from nilometer.values.times import time_text
from nilometer_collector.declared.applying import By, apply
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.judging import judging, others
from nilometer_collector.judging.judging import Judging
from nilometer_collector.judging.windows import merged_sample
from nilometer_collector.store import Arrival, Level, Origin, Store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    a_reference,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
)

MINUTE_NS = 60 * NANOSECONDS
HIGH = an_alerter(condition=Fixed(statistic="mean", threshold=1.0), minimum_count=10)
AROUND = [float(number) for number in range(100)]


class Pods:
    """Agents that send the windows of an entity, and the collector that judges them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = SteppedClock()
        self.clock.wall_ns = START_NS + MINUTE_NS
        self.judging = self.restarted()
        self._sequence = 0

    def restarted(self) -> Judging:
        """Start judging again, as another process would."""
        self.judging = Judging(self.store, self.clock, lambda: None)
        return self.judging

    def send(
        self,
        agent: str,
        number: int,
        cells: Sequence[Cell],
        labels: Mapping[str, str] | None = None,
        entity: str = ENTITY,
    ) -> None:
        """Send the window of minute *number*."""
        self._sequence += 1
        sample = feature_sample(cells, window=minute(number), labels=labels, entity=entity)
        arrival = Arrival(sequence=self._sequence, content=a_sample_row(sample))
        epoch = agent.encode().ljust(16)[:16]
        ship(self.store, [arrival], agent=agent, epoch=epoch, now_ns=self.clock.now_ns())

    def say(self, agent: str, number: int, value: float) -> None:
        """Send the evaluation that a cut-off agent made of minute *number* by `HIGH`."""
        self._sequence += 1
        found = an_evaluation(value, number, alerter=HIGH, summary="input.amount")
        arrival = Arrival(sequence=self._sequence, content=found)
        epoch = agent.encode().ljust(16)[:16]
        ship(self.store, [arrival], agent=agent, epoch=epoch, now_ns=self.clock.now_ns())

    def judge(self, seconds: float = 60.0) -> None:
        """Judge what has arrived, and let time pass."""
        self.judging.advance()
        self.judging.advance()
        self.clock.step(seconds)

    def minutes(self, values: Sequence[float], agents: Sequence[str] = ("pod-1",)) -> None:
        """Send one window a minute with 100 equal values, from each of *agents*, and judge it."""
        for number, value in enumerate(values):
            for agent in agents:
                self.send(agent, number, [value] * 100)
            self.judge()

    @property
    def history(self) -> list[list[str]]:
        return [[turn.status for turn in one.history] for one in self.store.alerts.episodes()]

    def status(self, name: str = "drift") -> tuple[AlertStatus, Reason]:
        (found,) = (one for one in self.store.alerts.statuses() if one.alerter == name)
        return found.status, found.reason


@pytest.fixture
def pods(store: Store) -> Pods:
    return Pods(store)


def put(pods: Pods, *alerters: Alerter) -> None:
    for alerter in alerters:
        pods.store.alerts.put(alerter, "api", START_NS)


def test_one_episode_for_all_agents_with_all_their_rows(pods: Pods) -> None:
    put(pods, HIGH)
    for number, high in enumerate((0.0, 5.0, 5.0, 0.0)):
        pods.send("pod-1", number, [high] * 50)
        pods.send("pod-2", number, [0.0] * 50)
        pods.judge()
    (episode,) = pods.store.alerts.episodes()
    assert [turn.status for turn in episode.history] == ["ALERTING", "OK"]
    assert (episode.worst, episode.opened_ns) == (2.5, minute(1).end_ns)
    assert "over 100 observations" in episode.evidence


def test_a_high_agent_alone_is_no_breach_of_the_entity(pods: Pods) -> None:
    put(pods, HIGH)
    pods.send("pod-1", 0, [5.0] * 10)
    pods.send("pod-2", 0, [0.0] * 90)
    pods.judge()
    assert pods.history == []
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)


def test_a_window_waits_for_every_agent_that_still_sends(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0], ["pod-1", "pod-2"])
    pods.send("pod-1", 1, [5.0] * 100)
    pods.judge(30)
    assert pods.history == []
    pods.send("pod-2", 1, [0.0] * 900)
    pods.judge(30)
    assert pods.history == []
    pods.send("pod-1", 2, [5.0] * 100)
    pods.judge(180)  # pod-2 is gone
    assert pods.history == []
    pods.judge()
    assert pods.history == [["ALERTING"]]


def test_a_collector_that_starts_again_judges_each_window_once(pods: Pods) -> None:
    put(pods, an_alerter(condition=HIGH.condition, minimum_count=1, windows_to_open=3))
    pods.minutes([5.0, 5.0])
    pods.restarted()
    pods.judge(0)
    assert pods.history == []
    pods.send("pod-1", 2, [5.0] * 100)
    pods.judge()
    assert pods.history == [["ALERTING"]]
    assert pods.store.alerts.episodes()[0].since_ns == minute(0).start_ns


def test_a_window_that_was_judged_in_part_is_judged_to_its_end(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    for version in ("1", "2"):
        pods.send("pod-1", 1, [5.0] * 100, {"version": version})
    pods.judging.advance()
    apply = pods.store.alerts.evaluate
    monkeypatch.setattr(judging, "MOST_TOGETHER", 1)
    calls = iter([True, False])

    def killed(evaluations: Sequence[Evaluation], agent: str, now_ns: int) -> int:
        if not next(calls):
            raise StoreUnavailable("killed")
        return apply(evaluations, agent, now_ns)

    with monkeypatch.context() as patched:
        patched.setattr(pods.store.alerts, "evaluate", killed)
        with pytest.raises(StoreUnavailable):
            pods.judging.advance()
    assert len(pods.history) == 1
    pods.restarted()
    pods.judge()
    assert pods.history == [["ALERTING"], ["ALERTING"]]


def test_an_agent_with_a_wrong_clock_does_not_close_windows(pods: Pods) -> None:
    put(pods, HIGH)
    pods.send("ahead", 600, [0.0] * 100)
    pods.minutes([0.0, 5.0])
    assert pods.history == [["ALERTING"]]


def test_the_only_agents_that_send_are_judged_although_their_clocks_are_ahead(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    for number in range(1, 20):  # it replaces the agent of before
        pods.send("ahead", number + 15, [5.0] * 100)
        pods.judge()
    assert pods.history == [["ALERTING"]]
    pods.send("pod-1", 20, [0.0] * 900)  # the right time: it is not late, and counts in the window
    pods.judge()
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_an_agent_that_lags_does_not_delay_alarms_for_long(
    pods: Pods, caplog: pytest.LogCaptureFixture
) -> None:
    put(pods, HIGH)
    pods.clock.step(1800)
    for number in range(8):
        pods.send("slow", number, [0.0] * 100)
        pods.send("pod-1", 20 + number, [5.0] * 100)
        pods.judge()
        if number == 2:
            assert pods.history == []  # it may still catch up
    assert pods.history == [["ALERTING"]]
    told = [record for record in caplog.records if "arrive late" in record.message]
    assert [(one.agent, one.seconds) for one in told] == [("slow", 1200)]  # type: ignore[attr-defined]
    pods.send("slow", 28, [0.0] * 900)  # it has caught up, and is awaited again
    pods.judge()
    pods.send("pod-1", 28, [5.0] * 100)
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_windows_of_an_outage_are_judged_in_order(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    pods.clock.step(3600)
    for number, value in ((1, 5.0), (2, 5.0), (3, 0.0), (4, 5.0)):
        pods.send("pod-1", number, [value] * 100)
    pods.judge()
    assert pods.history == [["ALERTING"], ["ALERTING", "OK"]]


def cut_off(pods: Pods, values: Sequence[float], agent: str = "pod-1", first: int = 1) -> None:
    """Send windows from minute *first*, as an agent does that judged them while it was cut off."""
    for number, value in enumerate(values, first):
        pods.send(agent, number, [value] * 100)
        pods.say(agent, number, value)


@pytest.mark.parametrize("values", [[5.0, 5.0, 0.0], [0.0, 5.0, 5.0, 0.0, 0.0]])
def test_an_outage_notifies_once_for_one_event(pods: Pods, values: list[float]) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    pods.clock.step(3600)
    cut_off(pods, values)
    assert pods.history == [["ALERTING", "OK"]]
    pods.judge()
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_an_agent_that_tells_of_windows_that_were_judged_does_not_notify_again(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0, 5.0, 5.0, 0.0])
    assert pods.history == [["ALERTING", "OK"]]
    for number, value in ((1, 5.0), (2, 5.0), (3, 0.0)):
        pods.say("pod-1", number, value)
    assert pods.history == [["ALERTING", "OK"]]


def test_an_event_that_the_agent_did_not_see_opens_an_episode(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    for number in (1, 2, 3):
        pods.send("pod-1", number, [0.0] * 100)
        pods.say("pod-1", number, 0.0)
        pods.send("pod-2", number, [5.0 if number == 1 else 0.0] * 100)
    pods.judge()
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_an_event_that_outlasts_the_episode_of_an_agent_opens_another(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    cut_off(pods, [5.0, 5.0, 0.0])
    for number in (1, 2, 3):
        pods.send("pod-2", number, [9.0] * 100)
    pods.judge()
    pods.judge()
    assert pods.history == [["ALERTING"], ["ALERTING", "OK"]]


def test_the_next_window_decides_about_the_episode_of_a_cut_off_agent(pods: Pods) -> None:
    put(pods, HIGH)
    pods.minutes([0.0])
    cut_off(pods, [0.0, 5.0, 5.0])
    pods.judge()
    pods.judge()
    assert pods.history == [["ALERTING"]]
    pods.send("pod-1", 4, [0.0] * 100)
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_a_judgement_waits_for_the_delay(pods: Pods) -> None:
    put(pods, an_alerter(condition=HIGH.condition, minimum_count=1, delay_seconds=300))
    pods.minutes([5.0])
    pods.judge(120)
    assert pods.history == []
    pods.send("pod-2", 0, [0.0] * 900)  # late, but within the delay
    pods.judge(400)
    pods.judge()
    assert pods.history == []
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)


@pytest.mark.parametrize(("labels", "history"), [(40, [["ALERTING"]]), (20, [])])
def test_joined_performance_is_judged_after_the_delay(
    pods: Pods, labels: int, history: list[list[str]]
) -> None:
    low = Fixed(statistic="accuracy_ratio", side=ThresholdSide.BELOW, threshold=0.9)
    delayed = an_alerter(
        condition=low, summary=PERFORMANCE, minimum_count=30, delay_seconds=4 * 3600
    )
    put(pods, delayed)
    log_predictions(pods.store, scored(60))
    pods.minutes([0.0, 0.0])
    pods.judge(3 * 3600)
    told = [a_truth(f"id-{at}", str(at % 2)) for at in range(labels)]
    tell(pods.store, told, now_ns=pods.clock.now_ns())
    assert pods.history == []
    for number in (600, 601, 602):
        pods.send("pod-1", number, [0.0])
        pods.judge(2 * 3600)
    assert pods.history == history


@pytest.mark.parametrize(("late", "history"), [(90, [["ALERTING"]]), (40, [])])
def test_joined_performance_waits_for_maturity(
    pods: Pods, late: int, history: list[list[str]]
) -> None:
    """40 of 100 labels have arrived: half are needed, and the rest decide once they are there."""
    low = Fixed(statistic="accuracy_ratio", side=ThresholdSide.BELOW, threshold=0.9)
    put(pods, an_alerter(condition=low, summary=PERFORMANCE, minimum_count=30, delay_seconds=60))
    declared = {"entity": ENTITY, "task": "binary", "score": "score"}
    document = document_of({"version": 1, "performance": [declared]})
    apply(DeclareContext(pods.store), document, By("test", Origin.API), START_NS)
    log_predictions(pods.store, scored(100, every_ns=10 * NANOSECONDS))
    outputs = feature_sample([0.5] * 100, window=minute(1), summary="output.score")
    ship(pods.store, [Arrival(sequence=1, content=a_sample_row(outputs))], agent="outputs")
    pods.minutes([0.0, 0.0])
    pods.judge(2 * 3600)
    tell(pods.store, [a_truth(f"id-{at}", "1") for at in range(40)], now_ns=pods.clock.now_ns())
    for number in (120, 130, 140):
        pods.send("pod-1", number, [0.0])
        pods.judge(600)
    assert pods.history == []
    told = [a_truth(f"id-{at}", "1") for at in range(40, late)]
    tell(pods.store, told, 2, now_ns=pods.clock.now_ns())
    for number in (150, 160, 170):
        pods.send("pod-1", number, [0.0])
        pods.judge(600)
    assert pods.history == history


def test_a_breach_must_last(pods: Pods) -> None:
    put(pods, an_alerter(condition=HIGH.condition, minimum_count=1, for_seconds=180))
    pods.minutes([5.0, 5.0])
    assert pods.status() == (AlertStatus.OK, Reason.BREACH_TOO_SHORT)
    pods.send("pod-1", 2, [5.0] * 100)
    pods.judge()
    assert pods.history == [["ALERTING"]]


def test_an_alerter_that_raises_says_so(
    pods: Pods, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: object) -> Judgement:
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(Most, "judge", broken)
    with registered(OUTSIDE):
        put(pods, MOST, HIGH)
        pods.minutes([5.0, 5.0])
        assert pods.status(MOST.name) == (AlertStatus.NOT_WATCHED, Reason.FAILED)
        (found,) = (one for one in pods.store.alerts.statuses() if one.alerter == MOST.name)
        assert found.sentence == "the alerter failed: ZeroDivisionError: no rows"
        assert pods.status() == (AlertStatus.ALERTING, Reason.BREACH)
    assert sum("an alerter failed" in record.message for record in caplog.records) == 1


def test_too_few_rows_are_a_status_and_no_silence(pods: Pods) -> None:
    put(pods, an_alerter(condition=HIGH.condition, minimum_count=500))
    pods.minutes([5.0])
    assert pods.status() == (AlertStatus.NOT_WATCHED, Reason.TOO_FEW)


def test_the_previous_window_is_the_one_just_before(pods: Pods) -> None:
    put(pods, an_alerter(condition=AgainstPrevious(threshold=0.25), minimum_count=1))
    pods.send("pod-1", 0, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.LEARNING, Reason.NO_EARLIER_WINDOW)
    pods.send("pod-1", 1, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)
    pods.restarted()
    pods.judge(0)
    pods.send("pod-1", 2, [200.0] * 100)
    pods.judge()
    (episode,) = pods.store.alerts.episodes()
    assert episode.evidence.startswith("PSI from previous window is ")
    assert episode.reference_digest
    pods.send("pod-1", 3, [200.0] * 100)
    pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_categories_of_two_windows_are_compared_by_their_names(pods: Pods) -> None:
    put(pods, an_alerter(condition=AgainstPrevious(threshold=0.25), minimum_count=1))
    for number, share in enumerate((50, 50, 95)):
        pods.send("pod-1", number, ["de"] * 2 * share + ["fr"] * 2 * (100 - share))
        pods.judge()
        assert pods.history == ([] if number < 2 else [["ALERTING"]])
    assert pods.store.alerts.episodes()[0].evidence.endswith("fr holds 5.0% of them, was 50.0%")


def test_names_have_no_direction(pods: Pods) -> None:
    condition = AgainstPrevious(threshold=0.25, direction=Direction.UP)
    put(pods, an_alerter(condition=condition, minimum_count=1))
    for number, share in enumerate((50, 95)):
        pods.send("pod-1", number, ["de"] * 2 * share + ["fr"] * 2 * (100 - share))
        pods.judge()
    assert pods.status() == (AlertStatus.NOT_WATCHED, Reason.NOTHING_TO_JUDGE)


def test_two_alerters_compare_with_the_same_previous_window(pods: Pods) -> None:
    for name in ("one", "two"):
        condition = AgainstPrevious(threshold=0.25)
        put(pods, an_alerter(name=name, condition=condition, minimum_count=1))
    for number in range(2):
        pods.send("pod-1", number, [value + 200.0 * number for value in AROUND])
        pods.judge()
    assert {one.alerter.name for one in pods.store.alerts.episodes()} == {"one", "two"}


def test_a_direction_makes_the_other_way_no_breach(pods: Pods) -> None:
    for name, direction in (("up", Direction.UP), ("down", Direction.DOWN)):
        condition = AgainstPrevious(threshold=0.25, direction=direction)
        put(pods, an_alerter(name=name, condition=condition, minimum_count=1))
    for number in range(2):
        pods.send("pod-1", number, [value + 200.0 * number for value in AROUND])
        pods.judge()
    (episode,) = pods.store.alerts.episodes()
    assert episode.alerter.name == "up"
    assert "(threshold 0.25 up)" in episode.evidence


def test_a_window_that_moved_the_other_way_may_close_an_episode(pods: Pods) -> None:
    condition = AgainstPrevious(threshold=0.25, direction=Direction.UP)
    closing = Limit(threshold=0.1)
    put(pods, an_alerter(condition=condition, minimum_count=1, closing=closing))
    for number, moved in enumerate((0.0, 200.0, -200.0)):
        pods.send("pod-1", number, [value + moved for value in AROUND])
        pods.judge()
    assert pods.history == [["ALERTING", "OK"]]


def test_a_baseline_is_the_days_before(pods: Pods) -> None:
    put(pods, an_alerter(condition=AgainstBaseline(threshold=0.25, days=2), minimum_count=1))
    for number in range(0, 2 * 24 * 60, 240):
        pods.send("pod-1", number, AROUND)
    pods.clock.step(2 * 86_400)
    pods.send("pod-1", 2 * 24 * 60, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)
    pods.send("pod-1", 2 * 24 * 60 + 1, [200.0] * 100)
    pods.judge()
    assert pods.status() == (AlertStatus.ALERTING, Reason.BREACH)


def test_a_baseline_is_read_once_an_hour_and_takes_one_place(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    condition = AgainstBaseline(threshold=0.25, days=1, same_hour=True)
    put(pods, an_alerter(condition=condition, minimum_count=1))
    monkeypatch.setattr(others, "MOST_BASELINES", 1)
    hours: list[int] = []

    def counted(*given: Any) -> SummarySample | None:
        if given[4] is Level.HOUR:
            hours.append(given[5])
        return merged_sample(*given)

    monkeypatch.setattr(others, "merged_sample", counted)
    for number in (0, 20, 40, 60, 80, 100):
        pods.send("pod-1", number, AROUND)
        pods.judge(20 * 60)
    first = minute(0).start_ns // Level.HOUR.length_ns % 24
    assert hours == [first, first + 1]
    pods.clock.step(86_400)
    for number in (24 * 60, 24 * 60 + 20):  # the next day takes the place again
        pods.send("pod-1", number, AROUND)
        pods.judge(20 * 60)
    assert hours == [first, first + 1, first]
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)


def test_a_version_is_compared_with_another_in_the_same_window(pods: Pods) -> None:
    condition = AgainstOther(threshold=0.25, other_labels="version=1")
    put(pods, an_alerter(condition=condition, minimum_count=1))
    for number in range(2):
        pods.send("pod-1", number, AROUND, {"version": "1"})
        pods.send("pod-2", number, [number * 200.0 + value for value in AROUND], {"version": "2"})
        pods.judge()
    (found,) = pods.store.alerts.statuses()
    assert str(found.labels) == "version=2"
    assert (found.status, found.reason) == (AlertStatus.ALERTING, Reason.BREACH)
    assert found.sentence.startswith("PSI from [version=1] is ")


def test_another_entity_without_the_window_is_learning(pods: Pods) -> None:
    condition = AgainstOther(threshold=0.25, other_entity="stable")
    put(pods, an_alerter(condition=condition, minimum_count=1))
    pods.send("pod-1", 0, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.LEARNING, Reason.NO_EARLIER_WINDOW)
    pods.send("pod-3", 1, AROUND, entity="stable")
    pods.send("pod-1", 1, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)


def test_another_entity_whose_windows_arrive_later_is_awaited(pods: Pods) -> None:
    condition = AgainstOther(threshold=0.25, other_entity="stable")
    put(
        pods,
        an_alerter(condition=condition, minimum_count=1),
        an_alerter(name="own", condition=HIGH.condition),
    )
    for number in range(5):
        pods.send("pod-1", number, [200.0] * 100)
        pods.judge(10)
        pods.send("pod-3", number, AROUND, entity="stable")
        pods.judge(50)
    assert pods.status() == (AlertStatus.ALERTING, Reason.BREACH)
    pods.send("pod-1", 5, [200.0] * 100)
    pods.judge()
    until = pods.store.alerts.judged_until(ENTITY, judging.SENDER)
    assert until == {"drift": minute(4).end_ns, "own": minute(5).end_ns}


def test_another_entity_that_stopped_is_not_awaited(pods: Pods) -> None:
    condition = AgainstOther(threshold=0.25, other_entity="stable")
    put(pods, an_alerter(condition=condition, minimum_count=1))
    pods.send("pod-3", 0, AROUND, entity="stable")
    pods.minutes([200.0] * 5)
    until = pods.store.alerts.judged_until(ENTITY, judging.SENDER)
    assert until == {"drift": minute(4).end_ns}


def test_an_alerter_that_is_added_does_not_delay_the_others(
    pods: Pods, caplog: pytest.LogCaptureFixture
) -> None:
    put(pods, HIGH)
    pods.minutes([0.0, 0.0])
    put(pods, an_alerter(name="new", condition=HIGH.condition, minimum_count=1))
    pods.send("pod-1", 2, [5.0] * 100)
    pods.judge()
    assert {one.alerter.name for one in pods.store.alerts.episodes()} == {"drift", "new"}
    assert not caplog.records


def test_a_new_alerter_begins_with_the_newest_window(pods: Pods) -> None:
    pods.minutes([5.0, 5.0, 5.0])
    narrow = Range(statistic="mean", low=0.0, high=1.0)
    put(pods, an_alerter(condition=narrow, minimum_count=1))
    pods.judge()
    (episode,) = pods.store.alerts.episodes()
    assert episode.since_ns == minute(2).start_ns


def test_no_window_after_its_expiry_is_compared_with_a_reference(pods: Pods) -> None:
    reference = a_reference({"input.amount": AROUND})
    limit = AgainstReference(reference="training", threshold=0.2)
    put(pods, an_alerter(condition=limit, minimum_count=10))
    expires_ns = minute(1).end_ns
    pods.store.references.put(reference, START_NS, expires_ns=expires_ns)
    for number in range(3):
        pods.send("pod-1", number, AROUND)
        pods.judge()
        found = (AlertStatus.OK, Reason.WITHIN_LIMIT)
        if number == 2:
            found = (AlertStatus.NOT_WATCHED, Reason.REFERENCE_EXPIRED)
        assert pods.status() == found
    (status,) = pods.store.alerts.statuses()
    assert status.sentence == (
        f"reference 'training': it expired on {time_text(expires_ns)}, and no window is compared "
        "with it any more"
    )
    pods.store.references.put(reference, START_NS)  # the same version, without an expiry
    pods.send("pod-1", 3, AROUND)
    pods.judge()
    assert pods.status() == (AlertStatus.OK, Reason.WITHIN_LIMIT)
