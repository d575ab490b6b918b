"""Runs of actions: one for each action and episode, and each change of its state as a pure function.

A run that has not been sent is superseded when its episode closes, or when its action is changed or
removed. A run is never started twice: its key is the same for each attempt. `action_states` shows the
order of the states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nilometer.alert import Severity
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import CURES, ActionDefinition, is_below
from nilometer_collector.errors import Conflict

SENDING_SECONDS = 3600  # time for which a target is tried
DAY_NS = 86_400 * NANOSECONDS
UPGRADE = "a newer version of the collector wrote its action: upgrade this collector"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTurn:
    """A change of the state of a run.

    Attributes:
        state: State after it.
        at_ns: Wall time.
        author: Person or program that caused it; empty for the collector itself.
        reason: One sentence.
    """

    state: RunState
    at_ns: int
    author: str = ""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of an action.

    Attributes:
        key: Idempotency key, the same for each attempt.
        number: 0 if the condition of the action started it, else the number of a person's start.
        action: Definition when the run left `RunState.WAITING`, or when it was made.
        turns: Changes of its state, oldest first.
        attempts: Number of attempts to send it.
        last_failure: Reason of the last failed attempt; empty without one.
        waits_for: What it waits for in `RunState.WAITING`, or because it is not read; else empty.
        is_read: Whether this version can read its action. Otherwise `action` has only its names, and
            only a newer version of the collector changes the run.
    """

    id: int
    key: str
    entity: str
    episode: int
    number: int
    action: ActionDefinition
    state: RunState
    turns: tuple[RunTurn, ...]
    attempts: int = 0
    last_failure: str = ""
    waits_for: str = ""
    is_read: bool = True

    def since_ns(self, state: RunState) -> int:
        """Return when it first had *state*; 0 if it never had."""
        return next((turn.at_ns for turn in self.turns if turn.state is state), 0)

    @property
    def expires_ns(self) -> int:
        """Wall time at which its request for approval expires; 0 if it has asked for none."""
        asked_ns = self.since_ns(RunState.AWAITING_APPROVAL)
        return asked_ns and asked_ns + round(self.action.approval_seconds * NANOSECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFacts:
    """What is known of the episode of a run.

    Attributes:
        opened_ns: Wall time at which its opening was stored.
        closed_ns: Wall time at which its closing was stored; None while it is open.
        is_cleared: Whether it closed because the values are within the limit again.
        effect: Largest certain effect, as in `ActionDefinition.effect`.
        is_silenced: Whether a person has silenced it.
        heard_ns: Wall time at which the newest sample of its summary arrived; 0 without any.
    """

    severity: Severity
    opened_ns: int
    closed_ns: int | None
    is_cleared: bool
    effect: float
    is_silenced: bool
    heard_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything besides the run that its next state depends on.

    Attributes:
        episode: The episode.
        action: Definition of the action as it is now; None if it was removed.
        others: Names of other actions that are under way for the entity.
        started_ns: Wall time of the newest start of the action for the entity; 0 without any.
        starts: Wall times of the starts of the action within the last day, over all entities.
        performance: Newest value of the metric that the action names; None if it is unknown.
    """

    episode: EpisodeFacts
    action: ActionDefinition | None
    others: Sequence[str] = ()
    started_ns: int = 0
    starts: Sequence[int] = ()
    performance: float | None = None


def decide(run: Run, facts: Facts, now_ns: int) -> RunTurn | None:
    """Return the change of *run* that is due at *now_ns*; None without one."""
    match run.state:
        case RunState.WAITING:
            return _after_waiting(facts, now_ns)
        case RunState.AWAITING_APPROVAL | RunState.APPROVED:
            return _superseded(run, facts, now_ns) or _before_sending(run, now_ns)
        case RunState.SENDING | RunState.SENT:
            if facts.action is None:
                reason = "the action was removed while it was being sent; it may have arrived"
                return RunTurn(state=RunState.FAILED, at_ns=now_ns, reason=reason)
            return None
        case RunState.ACCEPTED:
            return _outcome(run, facts.episode, now_ns)
        case _:
            return None


def started(facts: Facts, author: str, reason: str, now_ns: int) -> RunTurn:
    """Return the first change of a run that a person starts. Its condition need not hold.

    Raises:
        Conflict: If the action is removed, the episode is closed, or a limit does not allow it.
    """
    action = facts.action
    if action is None:
        raise Conflict("the action does not exist any more")
    if facts.episode.closed_ns is not None:
        raise Conflict("the episode is closed")
    if held := _held(action, facts, now_ns):
        raise Conflict(held)
    return _begun(action, now_ns, author, reason)


def approve(run: Run, author: str, reason: str, now_ns: int) -> RunTurn:
    """Return the approval of *run*; `may_decide` says whether the author may.

    Raises:
        Conflict: If the run does not await approval, or the request has expired.
    """
    _check_awaiting(run, now_ns)
    return RunTurn(state=RunState.APPROVED, at_ns=now_ns, author=author, reason=reason)


def decline(run: Run, author: str, reason: str, now_ns: int) -> RunTurn:
    """Return the refusal of *run* by a person.

    Raises:
        Conflict: If the run does not await approval, or the request has expired.
    """
    _check_awaiting(run, now_ns)
    return RunTurn(state=RunState.DECLINED, at_ns=now_ns, author=author, reason=reason)


def may_decide(action: ActionDefinition, author: str) -> bool:
    """Return whether the person or program named *author* may approve or decline *action*."""
    return author in action.approvers


def accepted(now_ns: int) -> RunTurn:
    """Return that the target has confirmed the run."""
    return RunTurn(state=RunState.ACCEPTED, at_ns=now_ns, reason="the target has accepted it")


def refused(why: str, now_ns: int) -> RunTurn:
    """Return that the target will never accept the run."""
    return RunTurn(state=RunState.FAILED, at_ns=now_ns, reason=f"the target refused it: {why}")


def lost(why: str, now_ns: int) -> RunTurn:
    """Return that the run may have arrived at a target that would do it twice."""
    reason = (
        f"it may have arrived ({why}), and the target would do it twice: look there, and start it "
        "again by hand if it has not arrived"
    )
    return RunTurn(state=RunState.CANNOT_TELL, at_ns=now_ns, reason=reason)


def not_answered(run: Run, reason: str, now_ns: int, *, may_have_arrived: bool) -> RunTurn | None:
    """Return the change after a failed attempt; None if it only has to be tried again.

    Args:
        run: Run that was sent.
        reason: Reason of the failure.
        now_ns: Wall time.
        may_have_arrived: Whether the target may have got it.
    """
    is_sent = may_have_arrived or run.state is RunState.SENT
    if now_ns >= run.since_ns(RunState.SENDING) + SENDING_SECONDS * NANOSECONDS:
        doubt = "; it may have arrived" if is_sent else ""
        return RunTurn(
            state=RunState.FAILED,
            at_ns=now_ns,
            reason=f"the target did not accept it within {_time(SENDING_SECONDS)}: {reason}{doubt}",
        )
    if is_sent and run.state is not RunState.SENT:
        return RunTurn(
            state=RunState.SENT,
            at_ns=now_ns,
            reason=f"it may have arrived, and is sent again with the same key: {reason}",
        )
    return None


def _after_waiting(facts: Facts, now_ns: int) -> RunTurn | None:
    action = facts.action
    if action is None:
        return _ended("the action was removed", now_ns)
    if facts.episode.closed_ns is not None:
        return _ended("the episode closed before the action was due", now_ns)
    if waits_for(action, facts, now_ns):
        return None
    return _begun(action, now_ns, "", "the condition of the action holds")


def waits_for(action: ActionDefinition, facts: Facts, now_ns: int) -> str:
    """Return the part of the condition that does not hold, or what holds the action; else empty."""
    episode = facts.episode
    lasted = max(now_ns - episode.opened_ns, 0) / NANOSECONDS  # clocks of collectors may differ
    if is_below(episode.severity, action.severity):
        return f"the severity is {episode.severity.value}, not {action.severity}"
    if lasted < action.lasts_seconds:
        return f"the episode has not lasted for {_time(action.lasts_seconds)}"
    if episode.effect < action.effect:
        return f"the effect is {episode.effect:.3g}, below {action.effect:g}"
    if action.performance_below is not None:
        if facts.performance is None:
            return f"{action.performance} is not known"
        if facts.performance >= action.performance_below:
            return (
                f"{action.performance} is {facts.performance:.4g}, not below "
                f"{action.performance_below:g}"
            )
    if episode.is_silenced:
        return "the episode is silenced"
    return _held(action, facts, now_ns)


def _held(action: ActionDefinition, facts: Facts, now_ns: int) -> str:
    """Return which limit does not allow a start now; empty if all do."""
    if facts.others:
        return f"the action {facts.others[0]!r} is under way for this entity"
    if facts.started_ns and now_ns < facts.started_ns + action.cool_down_seconds * NANOSECONDS:
        return f"it was started for this entity less than {_time(action.cool_down_seconds)} ago"
    if sum(now_ns - DAY_NS < at_ns for at_ns in facts.starts) >= action.most_a_day:
        return f"it was started {action.most_a_day} times within a day"
    return ""


def _begun(action: ActionDefinition, now_ns: int, author: str, reason: str) -> RunTurn:
    state, after = RunState.APPROVED, "; it needs no approval"
    if action.mode == "dry_run":
        asked = ", after approval" if action.needs_approval else ""
        told = f", target {action.target!r}" if action.target else ""
        state, after = RunState.DRY_RUN, f"; it would {CURES[action.cure]}{told}{asked}"
    elif action.needs_approval and not may_decide(action, author):
        state, after = RunState.AWAITING_APPROVAL, ""
    elif action.needs_approval:
        after = ""
    return RunTurn(state=state, at_ns=now_ns, author=author, reason=f"{reason}{after}")


def _superseded(run: Run, facts: Facts, now_ns: int) -> RunTurn | None:
    if facts.episode.closed_ns is not None:
        return _ended("the episode closed before it was sent", now_ns)
    if facts.action is None:
        return _ended("the action was removed before it was sent", now_ns)
    if facts.action != run.action:
        return _ended("the action was changed before it was sent", now_ns)
    return None


def _before_sending(run: Run, now_ns: int) -> RunTurn | None:
    if run.state is RunState.AWAITING_APPROVAL:
        if now_ns < run.expires_ns:
            return None
        within = _time(run.action.approval_seconds)
        reason = f"nobody approved or declined it within {within}"
        return RunTurn(state=RunState.EXPIRED, at_ns=now_ns, reason=reason)
    if run.action.target:
        return None
    by = run.turns[-1].author
    reason = f"{by} takes care of it"
    return RunTurn(state=RunState.ACCEPTED, at_ns=now_ns, author=by, reason=reason)


def _outcome(run: Run, episode: EpisodeFacts, now_ns: int) -> RunTurn | None:
    """Return whether the run has worked, once that is known."""
    accepted_ns, seconds = run.since_ns(RunState.ACCEPTED), run.action.works_within_seconds
    deadline_ns = accepted_ns + round(seconds * NANOSECONDS)
    closed_ns, within = episode.closed_ns, _time(seconds)
    if closed_ns is not None and closed_ns <= deadline_ns:
        after = _time(max(closed_ns - accepted_ns, 0) / NANOSECONDS)
        if episode.is_cleared:
            state, reason = RunState.WORKED, f"the episode closed {after} after it was accepted"
        else:
            state, reason = RunState.CANNOT_TELL, "the episode closed without values in its limit"
    elif now_ns < deadline_ns:
        return None
    elif episode.heard_ns <= accepted_ns:
        state, reason = RunState.CANNOT_TELL, f"no data arrived within {within}"
    else:
        state, reason = RunState.DID_NOT, f"the episode did not close within {within}"
    return RunTurn(state=state, at_ns=now_ns, reason=reason)


def _check_awaiting(run: Run, now_ns: int) -> None:
    if run.state is not RunState.AWAITING_APPROVAL:
        last = run.turns[-1]
        at = datetime.fromtimestamp(last.at_ns // NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M UTC")
        by = f" by {last.author}" if last.author else ""
        words = run.state.value.replace("_", " ")
        raise Conflict(f"run {run.id} does not await approval: {words}{by} since {at}")
    if now_ns >= run.expires_ns:
        raise Conflict(f"run {run.id} does not await approval: the request has expired")


def _ended(reason: str, now_ns: int) -> RunTurn:
    return RunTurn(state=RunState.SUPERSEDED, at_ns=now_ns, reason=reason)


def _time(seconds: float) -> str:
    """Return a duration in its largest whole unit."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}" + "s" * (count > 1)
    return f"{seconds:.0f} seconds"
