"""Likely causes of an episode, each with the numbers of its picture."""

from typing import Literal, TypeAlias

import msgspec

from nilometer.causes import Answer, Cause
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY
from nilometer_collector.api.resources.decisions import EPISODE
from nilometer_collector.causes.spans import onset_of
from nilometer_collector.errors import Unknown
from nilometer_collector.store import EpisodeRecord, Store

KindName: TypeAlias = Literal["feature", "segment", "stage", "shift", "change"]


class ShareView(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a picture: a share before the episode and since its onset.

    Of the kind ``shift``, it is a part of the change of the mean prediction, in the prediction's unit.
    """

    name: str  # interval, category, segment or part
    before: float
    now: float
    marked: bool  # whether the sentence names it


class MomentView(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a timeline."""

    at: float
    words: str
    marked: bool  # whether the sentence names it


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A likely cause."""

    kind: KindName
    sentence: str
    score: float  # lower bound of the effect in standard deviations, times weights; it ranks causes
    summary: str  # summary that it is about; may be empty
    labels: dict[str, str]  # segment that it is about; empty for all traffic
    entity: str  # entity that it is about, if it is another one; else empty
    at: float | None  # time of the change; null if unknown
    shares: list[ShareView]  # bars of its picture; may be empty
    moments: list[MomentView]  # points of its timeline, oldest first; may be empty


class UntoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of cause that the stored figures do not tell."""

    kind: KindName
    sentence: str  # reason


class CausesView(msgspec.Struct, frozen=True, kw_only=True):
    """The likely causes of an episode."""

    entity: str
    episode: int
    onset: float  # estimated start of the drift
    causes: list[CauseView]  # likeliest first
    untold: list[UntoldView]


async def read_causes(call: Call) -> CausesView:
    """Return the likely causes of an episode.

    Raises:
        Unknown: If the entity has no such episode.
    """
    entity, number = call.parameters.value(ENTITY), call.parameters.value(EPISODE)
    context = call.context

    def answer() -> CausesView:
        episode = _episode(context.store, entity, number)
        return causes_view(episode, context.causes.of(episode, call.access.may))

    return await context.ask(answer)


def causes_view(episode: EpisodeRecord, answer: Answer) -> CausesView:
    """Return the causes of *episode* as the API shows them."""
    return CausesView(
        entity=episode.alerter.entity,
        episode=episode.id,
        onset=seconds(onset_of(episode)),
        causes=[_cause_view(one) for one in answer.causes],
        untold=[
            msgspec.convert({"kind": one.kind.value, "sentence": one.sentence}, UntoldView)
            for one in answer.untold
        ],
    )


def _cause_view(one: Cause) -> CauseView:
    known = {
        "kind": one.kind.value,
        "sentence": one.sentence,
        "score": one.score,
        "summary": one.summary,
        "labels": one.labels.as_dict(),
        "entity": one.entity,
        "at": None if one.at_ns is None else seconds(one.at_ns),
        "shares": [
            {"name": bar.name, "before": bar.before, "now": bar.now, "marked": bar.marked}
            for bar in one.shares
        ],
        "moments": [
            {"at": seconds(point.at_ns), "words": point.words, "marked": point.marked}
            for point in one.moments
        ],
    }
    return msgspec.convert(known, CauseView)


def _episode(store: Store, entity: str, number: int) -> EpisodeRecord:
    found = store.alerts.episode(entity, number)
    if found is None:
        raise Unknown(f"{entity} has no episode {number}")
    return found


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/episodes/causes",
        name="readCauses",
        about="Return the likely causes of an episode, likeliest first, and what cannot be told.",
        handler=read_causes,
        answer=CausesView,
        parameters=(ENTITY, EPISODE),
        errors=(404, 422),
    ),
)
