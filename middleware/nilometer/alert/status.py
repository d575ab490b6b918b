"""The state machine that turns verdicts into episodes; each episode opens and closes once."""

from dataclasses import dataclass, replace
from enum import Enum

from nilometer.alert.evaluation import Evaluation
from nilometer.alert.judgement import Verdict


class AlertStatus(Enum):
    """The status of an alerter on one summary."""

    OK = "OK"
    ALERTING = "ALERTING"
    NO_DATA = "NO_DATA"
    LEARNING = "LEARNING"
    PAUSED = "PAUSED"
    NOT_WATCHED = "NOT_WATCHED"


class Transition(Enum):
    """The change of an episode that an evaluation caused."""

    OPENED = "OPENED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeState:
    """The state of one alerter on one summary and label set.

    Attributes:
        status: OK, ALERTING, or LEARNING until the first judged window.
        breaches: Number of consecutive breaches up to now.
        fines: Number of consecutive judged windows without a breach.
        since_ns: Start of the first window of the consecutive breaches, Unix nanoseconds; kept
            while an episode is open.
        last_end_ns: End of the newest evaluated window; older windows change nothing.
    """

    status: AlertStatus = AlertStatus.LEARNING
    breaches: int = 0
    fines: int = 0
    since_ns: int = 0
    last_end_ns: int = 0


def advance(state: EpisodeState, evaluation: Evaluation) -> tuple[EpisodeState, Transition | None]:
    """Return the state after *evaluation*, and the transition it caused.

    A window that is not newer than the newest evaluated window changes nothing. A window that
    could not be judged neither opens nor closes an episode.
    """
    end = evaluation.window.end_ns
    if end <= state.last_end_ns:
        return state, None
    state = replace(state, last_end_ns=end)
    alerter = evaluation.alerter
    match evaluation.verdict:
        case Verdict.NOT_JUDGED:
            return state, None
        case Verdict.BREACH:
            if state.breaches == 0 and state.status is not AlertStatus.ALERTING:
                state = replace(state, since_ns=evaluation.window.start_ns)
            state = replace(state, breaches=state.breaches + 1, fines=0)
            if state.status is AlertStatus.ALERTING:
                return state, None
            if state.breaches >= alerter.windows_to_open:
                return replace(state, status=AlertStatus.ALERTING), Transition.OPENED
            return replace(state, status=AlertStatus.OK), None
        case Verdict.FINE:
            state = replace(state, fines=state.fines + 1, breaches=0)
            if state.status is not AlertStatus.ALERTING:
                return replace(state, status=AlertStatus.OK), None
            if state.fines >= alerter.windows_to_close:
                return replace(state, status=AlertStatus.OK), Transition.CLOSED
            return state, None
