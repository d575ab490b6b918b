"""Runs of actions: list them, approve or decline one, start one by hand."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.receivers import ObjectName
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, ENTITY, AnyId, Flag, RequiredId
from nilometer_collector.api.problems import ApiError
from nilometer_collector.api.resources.decisions import EPISODE, Reason
from nilometer_collector.errors import Unknown
from nilometer_collector.limits.bounds import is_plain
from nilometer_collector.store import RunQuestion, Verdict

ERRORS = (400, 403, 404, 409, 413, 415, 422)
RUN = RequiredId("run", "Id of the run.")
ANY_EPISODE = AnyId("episode", "Only runs for this episode.")
ANY_RUN = AnyId("run", "Only the run with this id.")
OPEN = Flag("open", "Whether to list only runs that are not over, or only those that are.")

Cure: TypeAlias = Literal["retrain", "rollback", "fall_back", "ask_human"]
State: TypeAlias = Literal[
    "waiting",
    "dry_run",
    "awaiting_approval",
    "approved",
    "declined",
    "expired",
    "sending",
    "sent",
    "accepted",
    "failed",
    "worked",
    "did_not",
    "cannot_tell",
    "superseded",
    "unread",
]


class RunTurnView(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the state of a run."""

    state: State
    at: float
    author: str  # person or program that caused it; empty for the collector
    reason: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of an action for an episode."""

    run: int
    key: str  # idempotency key, the same for each attempt
    entity: str
    episode: int
    action: str
    cure: Cure
    target: str
    state: State
    by_hand: bool  # whether a person started it
    approvers: list[str]
    expires: float | None  # end of the request for approval; null if it awaits none
    waits_for: str  # what it waits for, or why this version leaves it alone; else empty
    attempts: int
    last_failure: str
    turns: list[RunTurnView]


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of actions, newest first; at most 1,000."""

    runs: list[RunView]


class RunDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An approval or a refusal."""

    reason: Reason


class RunStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A start of an action by hand. Its condition need not hold; its limits must."""

    action: ObjectName
    reason: Reason


def run_view(run: Run) -> RunView:
    """Return *run* as the API shows it."""
    awaits = run.state is RunState.AWAITING_APPROVAL
    return RunView(
        run=run.id,
        key=run.key,
        entity=run.entity,
        episode=run.episode,
        action=run.action.name,
        cure=run.action.cure,
        target=run.action.target,
        state=run.state.value,
        by_hand=run.number > 0,
        approvers=list(run.action.approvers),
        expires=seconds(run.expires_ns) if awaits else None,
        waits_for=run.waits_for if run.state is RunState.WAITING or not run.is_read else "",
        attempts=run.attempts,
        last_failure=run.last_failure,
        turns=[
            RunTurnView(
                state=turn.state.value,
                at=seconds(turn.at_ns),
                author=turn.author,
                reason=turn.reason,
            )
            for turn in run.turns
        ],
    )


async def list_runs(call: Call) -> Runs:
    """List the newest runs of the entities that the caller may read."""
    value, actions = call.parameters.value, call.context.store.actions
    is_open, episode = value(OPEN), value(ANY_EPISODE)
    question = RunQuestion(
        entity=value(ANY_ENTITY),
        episodes=None if episode is None else [episode],
        run=value(ANY_RUN),
        is_over=None if is_open is None else not is_open,
    )
    found = await call.context.ask(lambda: actions.runs(question._replace(among=call.among())))
    return Runs(runs=[run_view(one) for one in found])


async def approve(call: Call) -> RunView:
    """Approve a run that awaits approval.

    Raises:
        Unknown: If there is no such run.
        Conflict: If it does not await approval.
        Forbidden: If the caller is no approver of the action.
    """
    return await _judge(call, is_approval=True)


async def decline(call: Call) -> RunView:
    """Decline a run that awaits approval.

    Raises:
        Unknown: If there is no such run.
        Conflict: If it does not await approval.
        Forbidden: If the caller is no approver of the action.
    """
    return await _judge(call, is_approval=False)


async def start(call: Call) -> RunView:
    """Start an action for an open episode.

    Raises:
        Unknown: If there is no such episode, or no such action for it.
        Conflict: If the episode is closed, or a limit of the action does not allow it.
    """
    body = await read_json(call.request, RunStart)
    verdict = _verdict(call, body.reason, is_approval=True)
    entity, episode = call.parameters.value(ENTITY), call.parameters.value(EPISODE)
    actions, now_ns = call.context.store.actions, call.context.clock.now_ns()
    return await _made(call, lambda: actions.start(entity, episode, body.action, verdict, now_ns))


async def _judge(call: Call, *, is_approval: bool) -> RunView:
    body = await read_json(call.request, RunDecision)
    verdict = _verdict(call, body.reason, is_approval=is_approval)
    entity, run = call.parameters.value(ENTITY), call.parameters.value(RUN)
    actions, now_ns = call.context.store.actions, call.context.clock.now_ns()

    def judge() -> Run:
        if not actions.runs(RunQuestion(entity=entity, run=run)):
            raise Unknown(f"{entity} has no run {run}")
        return actions.judge(run, verdict, now_ns)

    return await _made(call, judge)


async def _made(call: Call, make: Callable[[], Run]) -> RunView:
    made = await call.context.ask(make)
    call.context.wake()
    return run_view(made)


def _verdict(call: Call, reason: str, *, is_approval: bool) -> Verdict:
    """Return what the caller decides.

    Raises:
        ApiError: 422 if the reason or the author is not allowed.
    """
    if not is_plain(reason):
        raise ApiError(422, "reason: must be a text without control characters", "reason")
    said = reason.strip() or reason
    return Verdict(author=author_of(call), reason=said, is_approval=is_approval)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/actions/runs",
        name="listRuns",
        about="List the runs of actions, with every change of their states.",
        handler=list_runs,
        answer=Runs,
        parameters=(ANY_ENTITY, ANY_EPISODE, ANY_RUN, OPEN),
    ),
    Operation(
        method="POST",
        path="/api/v1/actions/approve",
        name="approveRun",
        about="Approve a run of an action that awaits approval.",
        handler=approve,
        answer=RunView,
        parameters=(ENTITY, RUN),
        body=RunDecision,
        errors=ERRORS,
    ),
    Operation(
        method="POST",
        path="/api/v1/actions/decline",
        name="declineRun",
        about="Decline a run of an action that awaits approval.",
        handler=decline,
        answer=RunView,
        parameters=(ENTITY, RUN),
        body=RunDecision,
        errors=ERRORS,
    ),
    Operation(
        method="POST",
        path="/api/v1/actions/run",
        name="startRun",
        about="Start an action for an open episode, although its condition may not hold.",
        handler=start,
        answer=RunView,
        parameters=(ENTITY, EPISODE),
        body=RunStart,
        errors=ERRORS,
    ),
)
