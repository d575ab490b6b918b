"""What a message about an action says: its state, why, and who can do what about it."""

from collections.abc import Mapping
from dataclasses import replace

from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import CURES
from nilometer_collector.channels.message import Message, Stage, message_of, told_of
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.store import Notice

WORDS: Mapping[RunState, str] = {
    RunState.WAITING: "waits for its condition",
    RunState.DRY_RUN: "dry run",
    RunState.AWAITING_APPROVAL: "needs approval",
    RunState.APPROVED: "approved",
    RunState.DECLINED: "declined",
    RunState.EXPIRED: "approval expired",
    RunState.SENDING: "is being sent",
    RunState.SENT: "sent, no response",
    RunState.ACCEPTED: "under way",
    RunState.FAILED: "failed",
    RunState.WORKED: "worked",
    RunState.DID_NOT: "did not work",
    RunState.CANNOT_TELL: "cannot tell whether it worked",
    RunState.SUPERSEDED: "no longer needed",
    RunState.UNREAD: "has a state that only a newer version of the collector knows",
}


def any_message_of(notice: Notice, surroundings: Surroundings) -> Message:
    """Return the message of *notice*, which may be about an action.

    Args:
        notice: Notification, with the others of its message.
        surroundings: Source of the page's URL, the service's health, likely causes and links.
    """
    if notice.action is None:
        return message_of(notice, surroundings)
    run, turn = notice.action
    told = replace(
        told_of(notice, surroundings, has_trends=True),
        stage=Stage.ACTION,
        evidence=_evidence(run, turn),
    )
    asks = turn.state is RunState.AWAITING_APPROVAL
    return Message(
        key=notice.key,
        told=[told],
        stage=Stage.ACTION,
        severity=told.severity,
        headline=f"ACTION {WORDS[turn.state]}: {run.entity} / {run.action.name}",
        health=surroundings.health(run.entity, notice.transition.at_ns) if asks else "",
        cause=surroundings.cause([told.episode]) if asks else "",
        remedy=_remedy(run) if asks else "",
        link=surroundings.approval_url(run) if asks else told.link,
        link_text="Approve or decline" if asks else "Open the page",
    )


def _evidence(run: Run, turn: RunTurn) -> str:
    """Return one sentence: what is done, and why the run has this state."""
    by = f" by {turn.author}" if turn.author else ""
    said = CURES[run.action.cure]
    return f"to {said}: {WORDS[turn.state]}{by}: {turn.reason}"


def _remedy(run: Run) -> str:
    """Return who can decide about a run that awaits approval."""
    who = ", ".join(run.action.approvers)
    if run.action.approve_by_link:
        who = f"{who}, and everybody with this link" if who else "Everybody with this link"
    return f"{who} can approve or decline it. The link opens a form; opening it decides nothing."
