"""The state machine that turns verdicts into episodes; each episode opens and closes once."""

from dataclasses import dataclass, replace
from enum import Enum

from nilometer.alert.evaluation import Evaluation
from nilometer.alert.judgement import Verdict
from nilometer.alert.reason import Reason

GAP_WINDOWS = 2  # longest gap between consecutive breaches, in lengths of the newer window


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
        breaches: Number of consecutive breaches up to now, without a gap longer than `GAP_WINDOWS`.
        fines: Number of consecutive judged windows without a breach.
        since_ns: Start of the first window of the consecutive breaches, Unix nanoseconds; kept
            while an episode is open.
        last_end_ns: End of the newest evaluated window; older windows change nothing.
        reason: Reason of the newest evaluation.
        sentence: Evidence of the newest evaluation; empty before the first.
        value: Newest measured value, in the unit of the condition.
        value_end_ns: End of the window in which it was measured; 0 before the first.
    """

    status: AlertStatus = AlertStatus.LEARNING
    breaches: int = 0
    fines: int = 0
    since_ns: int = 0
    last_end_ns: int = 0
    reason: Reason = Reason.NO_WINDOW_YET
    sentence: str = ""
    value: float = 0.0
    value_end_ns: int = 0


def advance(state: EpisodeState, evaluation: Evaluation) -> tuple[EpisodeState, Transition | None]:
    """Return the state after *evaluation*, and the transition it caused.

    A window that is not newer than the newest evaluated window changes nothing. A window that
    could not be judged neither opens nor closes an episode. While an episode is open, a window whose
    value is not within the alerter's closing limit does not bring its end nearer. Breaches are
    consecutive if no other window was judged between them, and the gap is at most `GAP_WINDOWS`.
    """
    end = evaluation.window.end_ns
    if end <= state.last_end_ns:
        return state, None
    state = replace(state, last_end_ns=end, sentence=evaluation.evidence)
    if evaluation.verdict is Verdict.NOT_JUDGED:
        return replace(state, reason=evaluation.reason), None
    if evaluation.verdict is Verdict.BREACH:
        state, transition = _breached(state, evaluation)
    else:
        state, transition = _fine(state, evaluation)
    return replace(state, value=evaluation.value, value_end_ns=end), transition


def _breached(
    state: EpisodeState, evaluation: Evaluation
) -> tuple[EpisodeState, Transition | None]:
    is_open = state.status is AlertStatus.ALERTING
    if not is_open and not _continues(state, evaluation):
        state = replace(state, breaches=0, since_ns=evaluation.window.start_ns)
    state = replace(state, breaches=state.breaches + 1, fines=0, reason=Reason.BREACH)
    if is_open:
        return state, None
    alerter = evaluation.alerter
    lasted_ns = evaluation.window.end_ns - state.since_ns
    if state.breaches >= alerter.windows_to_open and lasted_ns >= alerter.for_seconds * 1e9:
        return replace(state, status=AlertStatus.ALERTING), Transition.OPENED
    return replace(state, status=AlertStatus.OK, reason=Reason.BREACH_TOO_SHORT), None


def _continues(state: EpisodeState, evaluation: Evaluation) -> bool:
    """Return whether a breach follows closely on the breach before it."""
    window = evaluation.window
    gap_ns = window.start_ns - state.value_end_ns
    return state.breaches > 0 and gap_ns <= GAP_WINDOWS * (window.end_ns - window.start_ns)


def _fine(state: EpisodeState, evaluation: Evaluation) -> tuple[EpisodeState, Transition | None]:
    alerter = evaluation.alerter
    is_open = state.status is AlertStatus.ALERTING
    if is_open and not evaluation.may_close:
        return replace(state, fines=0, breaches=0, reason=Reason.NOT_YET_CLOSED), None
    state = replace(state, fines=state.fines + 1, breaches=0)
    if is_open and state.fines < alerter.windows_to_close:
        return replace(state, reason=Reason.NOT_YET_CLOSED), None
    state = replace(state, status=AlertStatus.OK, reason=Reason.WITHIN_LIMIT)
    return state, Transition.CLOSED if is_open else None
