"""Decisions about an episode: acknowledge, silence, end a silence, accept a new normal."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import KEY, Labels
from nilometer_collector.alerting.decisions import (
    MOST_REASON_CHARACTERS,
    NO_LABELS,
    Decision,
    DecisionKind,
)
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, LAST_SECONDS, RequiredId
from nilometer_collector.api.problems import ApiError
from nilometer_collector.errors import Unknown
from nilometer_collector.limits.bounds import (
    MAX_NAME_CHARACTERS,
    NO_CONTROL,
    SAYS_SOMETHING,
    is_plain,
)

ERRORS = (400, 404, 409, 413, 415, 422)
EPISODE = RequiredId("episode", "Id of the episode.")

Kind: TypeAlias = Literal["acknowledged", "silenced", "unsilenced", "new_normal"]
Reason: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MOST_REASON_CHARACTERS, pattern=SAYS_SOMETHING)
]
Until: TypeAlias = Annotated[float, Meta(ge=0, le=LAST_SECONDS)]
ShortText: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
LabelKey: TypeAlias = Annotated[str, Meta(pattern=f"^{KEY.pattern}$")]


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An acknowledgement: somebody works on the episode."""

    reason: Reason
    until: Until | None = None  # end of the acknowledgement; null if the episode's closing ends it


class Silence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A silence: the collector sends no message about the opening of the episode for a time.

    The closing is sent if the opening was sent before the silence.
    """

    reason: Reason
    until: Until  # end of the silence, at most 366 days from now


class EndOfSilence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a silence."""

    reason: Reason


class NewNormal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new normal: the current values of a part of the episode are normal from now on."""

    reason: Reason
    summary: ShortText = ""  # summary of the part; may be empty if only one part is open
    labels: dict[LabelKey, ShortText] = {}
    until: Until | None = (
        None  # end of the quiet time of a user's alerter; null for the default alerter
    )


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of a person about an episode."""

    kind: Kind
    author: str
    reason: str
    made: float
    until: float | None  # end of the decision; null if it has no end
    summary: str  # summary of the part of a new normal; empty for other kinds
    labels: dict[str, str]
    pending: bool  # whether the default alerter has not yet acted on it
    lapsed: bool  # whether the part closed before it acted, so that nothing was learned


def decision_view(decision: Decision) -> DecisionView:
    """Return *decision* as the API shows it."""
    return DecisionView(
        kind=decision.kind.value,
        author=decision.author,
        reason=decision.reason,
        made=seconds(decision.made_ns),
        until=None if decision.until_ns is None else seconds(decision.until_ns),
        summary=decision.summary,
        labels=decision.labels.as_dict(),
        pending=decision.is_pending,
        lapsed=decision.has_lapsed,
    )


async def acknowledge(call: Call) -> DecisionView:
    """Record that somebody works on the episode."""
    body = await read_json(call.request, Acknowledgement)
    return await _make(call, DecisionKind.ACKNOWLEDGED, body.reason, until=body.until)


async def silence(call: Call) -> DecisionView:
    """Hold the message about the opening of the episode until a time."""
    body = await read_json(call.request, Silence)
    return await _make(call, DecisionKind.SILENCED, body.reason, until=body.until)


async def unsilence(call: Call) -> DecisionView:
    """End the silence of the episode now."""
    body = await read_json(call.request, EndOfSilence)
    return await _make(call, DecisionKind.UNSILENCED, body.reason)


async def accept_new_normal(call: Call) -> DecisionView:
    """Accept the current values of a part of the episode as normal."""
    body = await read_json(call.request, NewNormal)
    try:
        labels = Labels.of(body.labels)
    except ConfigError as error:
        raise Unknown(f"no part has such labels: {error}") from error
    return await _make(
        call,
        DecisionKind.NEW_NORMAL,
        body.reason,
        until=body.until,
        summary=body.summary,
        labels=labels,
    )


async def _make(
    call: Call,
    kind: DecisionKind,
    reason: str,
    *,
    until: float | None = None,
    summary: str = "",
    labels: Labels = NO_LABELS,
) -> DecisionView:
    """Record a decision of the caller.

    Raises:
        ApiError: 422 if the reason or the author is not allowed.
        Forbidden: If the caller may not change the entity.
        Unknown: If there is no such episode or part.
        Conflict: If the episode or the part is closed.
    """
    if not is_plain(reason):
        raise ApiError(422, "reason: must be a text without control characters", "reason")
    context = call.context
    decision = Decision(
        kind=kind,
        author=author_of(call),
        reason=reason.strip() or reason,
        made_ns=context.clock.now_ns(),
        until_ns=None if until is None else round(until * NANOSECONDS),
        summary=summary,
        labels=labels,
    )
    entity, episode = call.parameters.value(ENTITY), call.parameters.value(EPISODE)
    made = await context.ask(lambda: context.store.decisions.make(entity, episode, decision))
    context.wake()
    return decision_view(made)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/episodes/acknowledge",
        name="acknowledgeEpisode",
        about="Record that somebody works on an open episode.",
        handler=acknowledge,
        answer=DecisionView,
        parameters=(ENTITY, EPISODE),
        body=Acknowledgement,
        errors=ERRORS,
    ),
    Operation(
        method="POST",
        path="/api/v1/episodes/silence",
        name="silenceEpisode",
        about="Hold the message about the opening of an open episode until a time.",
        handler=silence,
        answer=DecisionView,
        parameters=(ENTITY, EPISODE),
        body=Silence,
        errors=ERRORS,
    ),
    Operation(
        method="POST",
        path="/api/v1/episodes/unsilence",
        name="unsilenceEpisode",
        about="End the silence of an episode now, also of the newest one after it has closed.",
        handler=unsilence,
        answer=DecisionView,
        parameters=(ENTITY, EPISODE),
        body=EndOfSilence,
        errors=ERRORS,
    ),
    Operation(
        method="POST",
        path="/api/v1/episodes/new-normal",
        name="acceptNewNormal",
        about="Accept the current values of a part of an open episode as the new normal.",
        handler=accept_new_normal,
        answer=DecisionView,
        parameters=(ENTITY, EPISODE),
        body=NewNormal,
        errors=ERRORS,
    ),
)
