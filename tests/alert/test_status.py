from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nilometer.alert import (
    Alerter,
    AlertStatus,
    EpisodeState,
    Evaluation,
    Fixed,
    Limit,
    Reason,
    Transition,
    Verdict,
    advance,
)
from nilometer.alert.status import GAP_WINDOWS
from nilometer.values.labels import Labels
from nilometer.values.window import Window

MINUTE = 60_000_000_000

F, B, N = Verdict.FINE, Verdict.BREACH, Verdict.NOT_JUDGED
OPENED, CLOSED = Transition.OPENED, Transition.CLOSED

ALERTER = Alerter(
    entity="fraud-scorer",
    name="alerter",
    summary="*",
    condition=Fixed(statistic="mean", threshold=1.0),
)


def evaluation(verdict: Verdict, minute: int, alerter: Alerter = ALERTER) -> Evaluation:
    return Evaluation(
        alerter=alerter,
        summary="input.amount",
        labels=Labels(),
        window=Window(minute * MINUTE, (minute + 1) * MINUTE),
        verdict=verdict,
        value=0.0,
        count=1,
        reference_digest="",
        evidence="",
    )


def transitions(
    verdicts: list[Verdict], to_open: int = 1, to_close: int = 1
) -> list[Transition | None]:
    alerter = replace(ALERTER, windows_to_open=to_open, windows_to_close=to_close)
    state, changes = EpisodeState(), []
    for minute, verdict in enumerate(verdicts):
        state, change = advance(state, evaluation(verdict, minute, alerter))
        changes.append(change)
    return changes


@pytest.mark.parametrize(
    ("verdicts", "to_open", "to_close", "expected"),
    [
        ([B], 1, 1, [OPENED]),
        ([B, B, B], 1, 1, [OPENED, None, None]),
        ([B, F], 1, 1, [OPENED, CLOSED]),
        ([F, F], 1, 1, [None, None]),
        ([B, B], 2, 1, [None, OPENED]),
        ([B, F, B, B], 2, 1, [None, None, None, OPENED]),
        ([B, N, B], 2, 1, [None, None, OPENED]),
        ([B, N, N, B], 2, 1, [None, None, None, OPENED]),
        ([B, N, N, N, B, B], 2, 1, [None, None, None, None, None, OPENED]),
        ([B, F, B, F, F], 1, 2, [OPENED, None, None, None, CLOSED]),
        ([B, F, N, F], 1, 2, [OPENED, None, None, CLOSED]),
        ([N, N], 1, 1, [None, None]),
        ([B, F, B], 1, 1, [OPENED, CLOSED, OPENED]),
    ],
)
def test_an_episode_opens_and_closes_after_as_many_windows_as_asked_for(
    verdicts: list[Verdict], to_open: int, to_close: int, expected: list[Transition | None]
) -> None:
    assert transitions(verdicts, to_open, to_close) == expected


@pytest.mark.parametrize(
    ("verdict", "status"),
    [(F, AlertStatus.OK), (B, AlertStatus.ALERTING), (N, AlertStatus.LEARNING)],
)
def test_learning_ends_with_the_first_window_that_could_be_judged(
    verdict: Verdict, status: AlertStatus
) -> None:
    state, _ = advance(EpisodeState(), evaluation(verdict, 0))
    assert state.status is status


def test_an_episode_began_with_the_first_of_its_consecutive_breaches() -> None:
    alerter = replace(ALERTER, windows_to_open=2, windows_to_close=2)
    state, since = EpisodeState(), []
    for minute, verdict in enumerate([B, F, B, N, B, F, B, F, F, B]):
        state, _ = advance(state, evaluation(verdict, minute, alerter))
        since.append(state.since_ns // MINUTE)
    assert since[2:9] == [2] * 7
    assert since[9] == 9


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("minute", [0, 4, 5])
def test_a_window_that_is_not_newer_changes_nothing(verdict: Verdict, minute: int) -> None:
    state, _ = advance(EpisodeState(), evaluation(B, 5))
    assert advance(state, evaluation(verdict, minute)) == (state, None)


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.integers(0, 20)), max_size=30))
def test_evaluating_all_of_it_again_changes_nothing(history: list[tuple[Verdict, int]]) -> None:
    state = EpisodeState()
    for verdict, minute in history:
        state, _ = advance(state, evaluation(verdict, minute))
    for verdict, minute in history:
        assert advance(state, evaluation(verdict, minute)) == (state, None)


class Episodes(RuleBasedStateMachine):
    """One alerter on one summary, fed with windows in any order, beside a naive account."""

    @initialize(to_open=st.integers(1, 4), to_close=st.integers(1, 4))
    def begin(self, to_open: int, to_close: int) -> None:
        self.alerter = replace(ALERTER, windows_to_open=to_open, windows_to_close=to_close)
        self.state = EpisodeState()
        self.minute = 0
        self.changes: list[Transition] = []
        self.judged: list[Verdict] = []  # since the last change
        self.judged_minute = 0
        self.ever_judged = False

    def feed(self, verdict: Verdict, minute: int) -> Transition | None:
        self.state, change = advance(self.state, evaluation(verdict, minute, self.alerter))
        return change

    @rule(verdict=st.sampled_from(Verdict), gap=st.integers(1, 3))
    def a_new_window(self, verdict: Verdict, gap: int) -> None:
        self.minute += gap
        change = self.feed(verdict, self.minute)
        if verdict is not N:
            if (
                verdict is B
                and self.minute - self.judged_minute - 1 > GAP_WINDOWS
                and not self.open
            ):
                self.judged.clear()
            self.judged.append(verdict)
            self.judged_minute = self.minute
            self.ever_judged = True
        expected = None
        if self.open and self.judged[-self.alerter.windows_to_close :] == [F] * (
            self.alerter.windows_to_close
        ):
            expected = CLOSED
        if not self.open and self.judged[-self.alerter.windows_to_open :] == [B] * (
            self.alerter.windows_to_open
        ):
            expected = OPENED
        if verdict is N:
            expected = None
        assert change is expected
        if change is not None:
            self.changes.append(change)

    @rule(verdict=st.sampled_from(Verdict), ago=st.integers(0, 10))
    def a_late_window(self, verdict: Verdict, ago: int) -> None:
        if self.state.last_end_ns and ago <= self.minute:
            before = self.state
            assert self.feed(verdict, self.minute - ago) is None
            assert self.state == before

    @property
    def open(self) -> bool:
        return bool(self.changes) and self.changes[-1] is OPENED

    @invariant()
    def openings_and_closings_alternate(self) -> None:
        expected = [OPENED, CLOSED] * len(self.changes)
        assert self.changes == expected[: len(self.changes)]

    @invariant()
    def the_status_is_that_of_the_last_change(self) -> None:
        if self.open:
            assert self.state.status is AlertStatus.ALERTING
        else:
            fine = AlertStatus.OK if self.ever_judged else AlertStatus.LEARNING
            assert self.state.status is fine


TestEpisodes = Episodes.TestCase


def closing_at(values: list[float], alerter: Alerter) -> list[EpisodeState]:
    """Return the state after each of *values*, one a minute."""
    state, found = EpisodeState(), []
    for minute, value in enumerate(values):
        verdict = Verdict.of(breached=value > 1.0)
        state, _ = advance(state, replace(evaluation(verdict, minute, alerter), value=value))
        found.append(state)
    return found


def test_an_episode_closes_only_within_the_closing_limit() -> None:
    alerter = replace(ALERTER, closing=Limit(threshold=0.5))
    states = closing_at([2.0, 0.9, 0.8, 0.4, 0.9], alerter)
    assert [state.status.value for state in states] == [*["ALERTING"] * 3, "OK", "OK"]
    assert [state.reason for state in states] == [
        Reason.BREACH,
        Reason.NOT_YET_CLOSED,
        Reason.NOT_YET_CLOSED,
        Reason.WITHIN_LIMIT,
        Reason.WITHIN_LIMIT,
    ]


def test_a_window_between_both_limits_begins_the_count_of_fine_windows_anew() -> None:
    alerter = replace(ALERTER, closing=Limit(threshold=0.5), windows_to_close=2)
    states = closing_at([2.0, 0.4, 0.9, 0.4, 0.4], alerter)
    assert [state.status.value for state in states] == [*["ALERTING"] * 4, "OK"]


def test_a_breach_opens_when_it_has_lasted() -> None:
    alerter = replace(ALERTER, for_seconds=150.0)
    states = closing_at([2.0, 2.0, 2.0], alerter)
    assert [state.status.value for state in states] == ["OK", "OK", "ALERTING"]
    assert states[1].reason is Reason.BREACH_TOO_SHORT
    short = closing_at([2.0, 2.0, 0.0, 2.0, 2.0], alerter)
    assert AlertStatus.ALERTING not in {state.status for state in short}


def test_breaches_far_apart_are_not_consecutive() -> None:
    alerter = replace(ALERTER, windows_to_open=2, for_seconds=600.0)
    state, _ = advance(EpisodeState(), evaluation(B, 0, alerter))
    later = 3 * 24 * 60
    for minute in range(later, later + 9):
        state, change = advance(state, evaluation(B, minute, alerter))
        assert (change, state.since_ns) == (None, later * MINUTE)
    state, change = advance(state, evaluation(B, later + 9, alerter))
    assert (change, state.since_ns) == (OPENED, later * MINUTE)


def test_a_gap_does_not_end_an_open_episode() -> None:
    state, _ = advance(EpisodeState(), evaluation(B, 0))
    state, change = advance(state, evaluation(B, 100))
    assert (change, state.status, state.since_ns) == (None, AlertStatus.ALERTING, 0)


def test_the_newest_figure_is_kept_with_its_time() -> None:
    state, _ = advance(EpisodeState(), replace(evaluation(F, 0), value=0.3, evidence="0.3"))
    state, _ = advance(state, replace(evaluation(N, 1), reason=Reason.TOO_FEW, evidence="few"))
    assert (state.value, state.value_end_ns) == (0.3, MINUTE)
    assert (state.reason, state.sentence, state.last_end_ns) == (Reason.TOO_FEW, "few", 2 * MINUTE)
