"""Pure functions that decide when an episode opens and closes, over all agents.

Each agent that judged while it was cut off has its own state, and the collector has one for the merged
windows. There is one episode per (entity, alerter, summary, labels). It opens when the first of them
alerts, and closes when none alerts. An agent that has sent nothing for `SILENT_WINDOWS` of its windows
no longer holds an episode open: its pod is gone. Neither does an agent once the collector itself has
judged a later window. Both judge the windows of an outage, so an opening is left out while the time
belongs to an earlier episode (`Store` asks for it).
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from nilometer.alert import (
    Alerter,
    AlertStatus,
    EpisodeState,
    Evaluation,
    Severity,
    Verdict,
    advance,
)
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window

SILENT_WINDOWS = 10  # windows without an evaluation after which an agent counts as gone
SILENT_SECONDS = 600  # shortest wall time after which an agent counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEpisode:
    """An open episode.

    Attributes:
        opened_ns: End of the window that opened it.
        worst: Value furthest beyond the threshold so far.
        severity: Highest severity so far.
    """

    id: int
    opened_ns: int
    worst: float
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The stored state of one (entity, alerter, summary, labels) before an evaluation.

    Attributes:
        agent: State of the agent that evaluated.
        episode: Open episode, or None.
        quiet_until_ns: Wall time until which no episode opens, because a person accepted a new
            normal; 0 if no one has.
    """

    agent: EpisodeState
    episode: OpenEpisode | None = None
    quiet_until_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """The other agents of the same (entity, alerter, summary, labels).

    Attributes:
        alerting_heard_ns: Wall time of the newest evaluation of an agent that is ALERTING; None if
            no other agent is ALERTING.
        alerting_end_ns: End of the newest window that such an agent judged; None without one.
        now_ns: Wall time now.
    """

    alerting_heard_ns: int | None
    alerting_end_ns: int | None
    now_ns: int

    def alert(self, evaluation: Evaluation) -> bool:
        """Return whether another agent is ALERTING at the time of *evaluation*, and not gone.

        The windows of the collector have the rows of all agents. So an agent counts up to the last
        window that it judged itself.
        """
        heard, end_ns, window = self.alerting_heard_ns, self.alerting_end_ns, evaluation.window
        if heard is None or end_ns is None:
            return False
        is_current = evaluation.edge or end_ns >= window.end_ns
        return is_current and heard >= heard_since_ns(self.now_ns, window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An opening or a closing of an episode, for its history.

    Attributes:
        status: ALERTING for an opening and when it gets critical, OK for a closing, PAUSED if the
            alerter went away.
        at_ns: End of the window that caused it.
        window_start_ns: Start of that window.
    """

    status: AlertStatus
    at_ns: int
    window_start_ns: int
    value: float
    evidence: str
    reference_digest: str
    alerter: Alerter


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An episode opens; *since_ns* is the start of its first breach."""

    since_ns: int
    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Worsened:
    """The open episode has a new worst value, measured in the window that ends at *at_ns*."""

    worst: float
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated:
    """The open episode gets critical with the value of *turn*, which may not be its worst."""

    worst: float
    turn: Turn

    @property
    def worst_at_ns(self) -> int | None:
        """End of the window of the worst value; None if it is an earlier one."""
        return self.turn.at_ns if self.worst == self.turn.value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The open episode closes at *closed_ns*."""

    closed_ns: int
    turn: Turn


EpisodeChange: TypeAlias = Opened | Worsened | Escalated | Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes that follow from an evaluation.

    Attributes:
        agent: New state of the agent; None if it does not change.
        episode: Change of the episode, or None.
        ends_quiet: Whether episodes may open again from now on.
    """

    agent: EpisodeState | None = None
    episode: EpisodeChange | None = None
    ends_quiet: bool = False


def judge(state: Standing, evaluation: Evaluation, others: Others) -> Changes:
    """Return the changes of the agent's state and the episode after *evaluation*."""
    after, _ = advance(state.agent, evaluation)
    if after == state.agent:
        return Changes()
    change = _episode_change(state.episode, after, evaluation, others)
    if not state.quiet_until_ns:
        return Changes(agent=after, episode=change)
    is_quiet = state.quiet_until_ns > others.now_ns
    is_fine = evaluation.verdict is Verdict.FINE and after.status is not AlertStatus.ALERTING
    return Changes(
        agent=after,
        episode=None if is_quiet and isinstance(change, Opened) else change,
        ends_quiet=not is_quiet or (is_fine and not others.alert(evaluation)),
    )


def _episode_change(
    episode: OpenEpisode | None, agent: EpisodeState, evaluation: Evaluation, others: Others
) -> EpisodeChange | None:
    if evaluation.verdict is Verdict.NOT_JUDGED:
        return None
    alerts = agent.status is AlertStatus.ALERTING
    if episode is None:
        if not alerts:
            return None
        return Opened(since_ns=agent.since_ns, turn=_turn(AlertStatus.ALERTING, evaluation))
    if not alerts and not others.alert(evaluation):
        return Closed(
            closed_ns=max(evaluation.window.end_ns, episode.opened_ns),
            turn=_turn(AlertStatus.OK, evaluation),
        )
    if evaluation.verdict is Verdict.BREACH:
        value = worst(evaluation.alerter, episode.worst, evaluation.value)
        if evaluation.severity is Severity.CRITICAL and episode.severity is not Severity.CRITICAL:
            return Escalated(worst=value, turn=_turn(AlertStatus.ALERTING, evaluation))
        if value != episode.worst:
            return Worsened(worst=value, at_ns=evaluation.window.end_ns)
    return None


def pause(
    episode: OpenEpisode,
    alerter: Alerter,
    reference_digest: str,
    last_end_ns: int,
    why: str,
    status: AlertStatus = AlertStatus.PAUSED,
) -> Closed:
    """Return the closing of *episode* because its alerter no longer judges it.

    Args:
        episode: Open episode.
        alerter: Alerter as it was when the episode opened.
        reference_digest: Digest of the reference version at the opening.
        last_end_ns: End of the newest window that any agent evaluated; 0 if there is none.
        why: Reason, for the history.
        status: Status after it: PAUSED if the alerter was deleted, NO_DATA if no agent judges.
    """
    at_ns = max(episode.opened_ns, last_end_ns)
    turn = Turn(
        status=status,
        at_ns=at_ns,
        window_start_ns=at_ns,
        value=episode.worst,
        evidence=why,
        reference_digest=reference_digest,
        alerter=alerter,
    )
    return Closed(closed_ns=at_ns, turn=turn)


def heard_since_ns(now_ns: int, window: Window) -> int:
    """Return the wall time since which an agent must have evaluated, or it counts as gone."""
    length = window.end_ns - window.start_ns
    return now_ns - max(SILENT_WINDOWS * length, SILENT_SECONDS * NANOSECONDS)


def worst(alerter: Alerter, one: float, other: float) -> float:
    """Return which of both values is further beyond the threshold of *alerter*."""
    excess = alerter.condition.excess
    return other if excess(other) > excess(one) else one


def _turn(status: AlertStatus, evaluation: Evaluation) -> Turn:
    alerter = evaluation.alerter
    if status is AlertStatus.ALERTING and evaluation.severity is not alerter.severity:
        alerter = replace(alerter, severity=evaluation.severity)
    return Turn(
        status=status,
        at_ns=evaluation.window.end_ns,
        window_start_ns=evaluation.window.start_ns,
        value=evaluation.value,
        evidence=evaluation.evidence,
        reference_digest=evaluation.reference_digest,
        alerter=alerter,
    )
