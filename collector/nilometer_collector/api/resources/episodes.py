"""Episodes: when alerters opened and closed."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, cast

import msgspec

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import UnknownCondition
from nilometer.values.labels import LabelFilter
from nilometer_collector.alerting.decisions import acknowledgement_of, silence_of
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, Flag
from nilometer_collector.api.resources.actions import RunView, run_view
from nilometer_collector.api.resources.decisions import DecisionView, decision_view
from nilometer_collector.api.resources.samples import LABEL
from nilometer_collector.store import (
    EpisodeRecord,
    PartRecord,
    RunQuestion,
    TransitionRecord,
)

Ended: TypeAlias = Literal["recovered", "no_data", "replaced", "new_normal"]

OPEN = Flag("open", "true: only open episodes; false: only closed episodes.")


class TransitionView(msgspec.Struct, frozen=True, kw_only=True):
    """An opening or a closing of an episode."""

    at: float  # end of the window that caused it
    status: Health
    value: float
    evidence: str


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """A summary and label set that drifted in an episode of the default alerter."""

    summary: str
    labels: dict[str, str]  # empty for all traffic
    component: str  # component that moved, such as position or missing
    direction: Literal["above", "below"]  # side of normal
    onset: float  # estimated start of the drift
    opened: float  # end of the window that opened the part
    closed: float | None
    effect: float  # distance from normal since the onset, when the part opened
    bound: float  # lower bound of the effect, with 99 % confidence
    tolerance: float  # largest distance from normal that is not drift
    unit: str  # unit of effect, bound and tolerance
    severity: str
    evidence: str
    ended: Ended | None  # how it closed; null while it is open


class EpisodeView(msgspec.Struct, frozen=True, kw_only=True):
    """The time from an alerter's opening to its closing."""

    id: int
    entity: str
    summary: str
    labels: dict[str, str]
    alerter: str
    comparator: str  # comparator or statistic
    threshold: float
    severity: str
    breached_since: float  # start of the first of the consecutive breaches
    opened: float  # end of the window that opened it
    closed: float | None
    value: float  # newest measured value of an open episode; of a closed one, as it opened
    measured: float  # end of the window in which `value` was measured
    evidence: str  # sentence with `value`
    worst: float | None  # value furthest beyond the threshold; null for the default alerter
    worst_at: float | None  # end of the window in which it was measured; null if unknown
    reference: str
    reference_digest: str
    history: list[TransitionView]
    parts: list[PartView]  # parts of an episode of the default alerter; else empty
    decisions: list[DecisionView]  # decisions of people, oldest first
    runs: list[RunView]  # runs of actions, oldest first
    acknowledged_by: str | None  # author of the current acknowledgement
    silenced_until: float | None  # end of the current silence
    unread: str | msgspec.UnsetType = (
        msgspec.UNSET
    )  # reason why its alerter cannot be read; absent if it can


class Episodes(msgspec.Struct, frozen=True, kw_only=True):
    """Episodes, newest first; at most 1,000."""

    episodes: list[EpisodeView]


def episode_view(
    episode: EpisodeRecord, now_ns: int, status: AlerterStatus | None = None
) -> EpisodeView:
    """Convert *episode* to its view at *now_ns*, with the oldest history first.

    Value, time and sentence belong to one figure: for the default alerter that of its leading part,
    for an open episode of another alerter that of *status* if its newest window was judged, else
    that of the newest opening.

    Args:
        episode: Episode to show.
        now_ns: Wall time, Unix nanoseconds.
        status: Current status of its alerter, if it is open.
    """
    view = _view_of_opening(episode, now_ns)
    leads = [
        one
        for one in episode.parts
        if (one.summary, one.labels) == (episode.summary, episode.labels)
    ]
    if leads:
        return _led_by(max(leads, key=lambda one: one.opened_ns), view)
    is_current = (
        status is not None
        and status.value is not None
        and status.value_ns == status.judged_ns >= episode.opened_ns
    )
    if status is None or status.value is None or not is_current:
        return view
    return msgspec.structs.replace(
        view,
        value=status.value,
        measured=seconds(status.value_ns),
        evidence=status.sentence,
        threshold=episode.alerter.condition.limit(status.value),
    )


def _led_by(lead: PartRecord, view: EpisodeView) -> EpisodeView:
    same = view.evidence.startswith(lead.evidence)  # the evidence also names other parts
    return msgspec.structs.replace(
        view,
        comparator=lead.component,
        threshold=lead.tolerance,
        severity=lead.severity,
        value=lead.effect,
        measured=seconds(lead.opened_ns),
        evidence=view.evidence if same else lead.evidence,
        worst=None,
        worst_at=None,
    )


def _view_of_opening(episode: EpisodeRecord, now_ns: int) -> EpisodeView:
    alerter = episode.alerter
    condition = alerter.condition
    acknowledged = acknowledgement_of(episode.decisions, now_ns)
    silence = silence_of(episode.decisions, now_ns)
    alerting = [turn for turn in episode.history if turn.status == AlertStatus.ALERTING.value]
    opening = alerting[-1] if alerting else None
    value = episode.worst if opening is None else opening.value
    return EpisodeView(
        id=episode.id,
        entity=alerter.entity,
        summary=episode.summary,
        labels=episode.labels.as_dict(),
        alerter=alerter.name,
        comparator=condition.measure,
        threshold=condition.limit(value),
        severity=alerter.severity.value,
        breached_since=seconds(episode.since_ns),
        opened=seconds(episode.opened_ns),
        closed=None if episode.closed_ns is None else seconds(episode.closed_ns),
        value=value,
        measured=seconds(episode.opened_ns if opening is None else opening.at_ns),
        evidence=episode.evidence if opening is None else opening.evidence,
        worst=episode.worst,
        worst_at=None if episode.worst_ns is None else seconds(episode.worst_ns),
        reference=condition.reference,
        reference_digest=episode.reference_digest,
        history=[_transition_view(transition) for transition in episode.history],
        parts=[_part_view(part) for part in episode.parts],
        decisions=[decision_view(decision) for decision in episode.decisions],
        runs=[],
        acknowledged_by=None if acknowledged is None else acknowledged.author,
        silenced_until=None
        if silence is None or silence.until_ns is None
        else seconds(silence.until_ns),
        unread=condition.why if isinstance(condition, UnknownCondition) else msgspec.UNSET,
    )


async def list_episodes(call: Call) -> Episodes:
    """List the episodes of all entities or of one, newest first."""
    return Episodes(episodes=await call.context.ask(lambda: _views(call)))


def _views(call: Call) -> list[EpisodeView]:
    now_ns, alerts = call.context.clock.now_ns(), call.context.store.alerts
    found = _visible(call)
    entities = {one.alerter.entity for one in found if one.closed_ns is None}
    statuses = {
        (one.entity, one.alerter, one.summary, one.labels): one
        for entity in entities
        for one in alerts.statuses(entity)
    }

    def status_of(episode: EpisodeRecord) -> AlerterStatus | None:
        if episode.closed_ns is not None:
            return None
        alerter = episode.alerter
        return statuses.get((alerter.entity, alerter.name, episode.summary, episode.labels))

    runs = _runs_by_episode(call, found)
    return [
        msgspec.structs.replace(
            episode_view(one, now_ns, status_of(one)),
            runs=runs.get((one.alerter.entity, one.id), []),
        )
        for one in found
    ]


def _runs_by_episode(
    call: Call, episodes: Sequence[EpisodeRecord]
) -> dict[tuple[str, int], list[RunView]]:
    """Return the newest runs of actions for *episodes*, oldest first, by entity and episode."""
    found: dict[tuple[str, int], list[RunView]] = {}
    question = RunQuestion(
        episodes=[one.id for one in episodes],
        among={one.alerter.entity for one in episodes},
    )
    for run in reversed(call.context.store.actions.runs(question)):
        found.setdefault((run.entity, run.episode), []).append(run_view(run))
    return found


def _visible(call: Call) -> list[EpisodeRecord]:
    """List the newest episodes of the entities that the caller may read."""
    return call.context.store.alerts.episodes(
        call.parameters.value(ANY_ENTITY),
        is_open=call.parameters.value(OPEN),
        among=call.among(),
        labels=LabelFilter.of(call.parameters.value(LABEL)).allowed,
    )


def _part_view(part: PartRecord) -> PartView:
    return PartView(
        summary=part.summary,
        labels=part.labels.as_dict(),
        component=part.component,
        direction="above" if part.direction > 0 else "below",
        onset=seconds(part.onset_ns),
        opened=seconds(part.opened_ns),
        closed=None if part.closed_ns is None else seconds(part.closed_ns),
        effect=part.effect,
        bound=part.bound,
        tolerance=part.tolerance,
        unit=part.unit,
        severity=part.severity,
        evidence=part.evidence,
        ended=cast("Ended | None", part.ended),
    )


def _transition_view(transition: TransitionRecord) -> TransitionView:
    return TransitionView(
        at=seconds(transition.at_ns),
        status=cast("Health", transition.status),
        value=transition.value,
        evidence=transition.evidence,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/episodes",
        name="listEpisodes",
        about="List episodes with their history, newest first.",
        handler=list_episodes,
        answer=Episodes,
        parameters=(ANY_ENTITY, OPEN, LABEL),
    ),
)
