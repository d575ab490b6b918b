"""When an episode opens and closes, over all agents: pure functions.

Every agent advances a state of its own. An episode per (entity, alerter, summary, labels) opens
when the first of them alerts and closes when none does. An agent that has been silent for
`SILENT_WINDOWS` of its windows no longer holds an episode open: its pod is gone.
"""

from enum import Enum

from nilometer.alert import Alerter, Evaluation, Verdict
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window

SILENT_WINDOWS = 10  # after so many windows without a word an agent counts as gone
SILENT_SECONDS = 600  # and not before so much wall time


class Change(Enum):
    """What an evaluation does to the episode of all agents."""

    NONE = "none"
    OPEN = "open"
    WORSEN = "worsen"
    CLOSE = "close"


def change(*, is_open: bool, ours: bool, others: bool, evaluation: Evaluation) -> Change:
    """What follows from an evaluation that moved an agent's state.

    Args:
        is_open: Whether there is an open episode.
        ours: Whether the agent's state is ALERTING after the evaluation.
        others: Whether any other agent's is.
        evaluation: What was judged.
    """
    if evaluation.verdict is Verdict.NOT_JUDGED:
        return Change.NONE
    if not is_open:
        return Change.OPEN if ours else Change.NONE
    if not ours and not others:
        return Change.CLOSE
    return Change.WORSEN if evaluation.verdict is Verdict.BREACH else Change.NONE


def heard_since_ns(now_ns: int, window: Window) -> int:
    """Arrivals before this wall time are of agents that count as gone."""
    length = window.end_ns - window.start_ns
    return now_ns - max(SILENT_WINDOWS * length, SILENT_SECONDS * NANOSECONDS)


def worst(alerter: Alerter, one: float, other: float) -> float:
    """The one of two values that stands further on the wrong side."""
    excess = alerter.condition.excess
    return other if excess(other) > excess(one) else one
