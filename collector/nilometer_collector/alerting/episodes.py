"""Pure functions that decide when an episode opens and closes, over all agents.

Each agent has its own state. There is one episode per (entity, alerter, summary, labels). It opens
when the first agent alerts, and closes when no agent alerts. An agent that has sent nothing for
`SILENT_WINDOWS` of its windows no longer holds an episode open: its pod is gone.
"""

from enum import Enum

from nilometer.alert import Alerter, Evaluation, Verdict
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window

SILENT_WINDOWS = 10  # windows without an evaluation after which an agent counts as gone
SILENT_SECONDS = 600  # shortest wall time after which an agent counts as gone


class Change(Enum):
    """The effect of an evaluation on the episode."""

    NONE = "none"
    OPEN = "open"
    WORSEN = "worsen"
    CLOSE = "close"


def change(*, is_open: bool, ours: bool, others: bool, evaluation: Evaluation) -> Change:
    """Return the effect on the episode of an evaluation that changed an agent's state.

    Args:
        is_open: Whether an episode is open now.
        ours: Whether this agent's state is ALERTING after the evaluation.
        others: Whether the state of any other agent is ALERTING.
        evaluation: Evaluation that changed the state.
    """
    if evaluation.verdict is Verdict.NOT_JUDGED:
        return Change.NONE
    if not is_open:
        return Change.OPEN if ours else Change.NONE
    if not ours and not others:
        return Change.CLOSE
    return Change.WORSEN if evaluation.verdict is Verdict.BREACH else Change.NONE


def heard_since_ns(now_ns: int, window: Window) -> int:
    """Return the oldest wall time of a last evaluation at which an agent does not count as gone."""
    length = window.end_ns - window.start_ns
    return now_ns - max(SILENT_WINDOWS * length, SILENT_SECONDS * NANOSECONDS)


def worst(alerter: Alerter, one: float, other: float) -> float:
    """Return the value that exceeds the threshold of *alerter* by more."""
    excess = alerter.condition.excess
    return other if excess(other) > excess(one) else one
