"""Decisions about episodes: the verbs that `Store.decisions` implements, and what both databases check."""

from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import Calibrated, Overdue
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer.values.times import time_iso, time_text
from nilometer_collector.alerting.decisions import (
    MOST_DECISIONS,
    MOST_SECONDS,
    Decision,
    DecisionKind,
    normal_sentence,
    silence_of,
)
from nilometer_collector.alerting.episodes import Closed, OpenEpisode, pause
from nilometer_collector.errors import Conflict, Refused, Unknown
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.store.history_records import DECISION, Change, Key, Origin, Revision
from nilometer_collector.store.records import EpisodeRecord, TransitionRecord
from nilometer_collector.store.texts import storable


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalRecord:
    """A new normal of a part that the default alerter has still to learn.

    Attributes:
        number: Number of the episode within its entity.
    """

    id: int
    number: int
    decision: Decision


class Decisions(Protocol):
    """What people decide about episodes."""

    def make(self, entity: str, episode: int, decision: Decision) -> Decision:
        """Record *decision* and act on it, in one transaction.

        A silence holds the messages of openings until it ends, and so does one that an earlier
        episode of the same alerter, summary and label set has. A new normal closes an episode of an
        alerter that somebody set. The default alerter acts on its own (`pending`).

        Returns:
            The decision as it is stored, with its part.

        Raises:
            Unknown: If the entity has no such episode, or the episode no such part.
            Conflict: If the episode or part is closed, there is nothing to end, the link of the
                decision was used before, the episode has too many decisions, or it is about the
                monitoring itself and has no new normal. The silence of the newest episode of its
                alerter, summary and label set can be ended although the episode is closed, because
                it also holds for the next one.
            Refused: If the end is not allowed, or the part must be named.
        """
        ...

    def settle_silences(self, now_ns: int) -> None:
        """Silence open episodes as users have declared, and end silences that hold no more.

        A new episode is silenced when it opens, and `Deliveries.take` settles before it returns a
        message. So this only shows earlier that a silence has begun or was changed. Both look at the
        parts of open episodes at most once a second, unless a silence begins or was changed.

        Args:
            now_ns: Wall time, Unix nanoseconds.
        """
        ...

    def pending(self, entity: str) -> list[NormalRecord]:
        """List what the default alerter of *entity* has still to learn, oldest first.

        `Watching.save` settles it.
        """
        ...


def checked(episode: EpisodeRecord, decision: Decision, newest: int) -> Decision:
    """Return *decision* with its part if it fits the *episode*.

    Args:
        episode: The episode.
        decision: What a person asks for.
        newest: Id of the newest episode of the same alerter, summary and label set.

    Raises:
        Unknown: If the episode has no such part.
        Conflict: If it does not fit, such as a new normal of the monitoring itself, or a link that
            was used before.
        Refused: If the end is not allowed, or the part must be named.
    """
    if decision.link and any(one.link == decision.link for one in episode.decisions):
        raise Conflict("this link was used before")
    ends_silence = decision.kind is DecisionKind.UNSILENCED and episode.id == newest
    if episode.closed_ns is not None and not ends_silence:
        raise Conflict(f"episode {episode.id} is closed since {time_text(episode.closed_ns)}")
    _check_end(decision)
    match decision.kind:
        case DecisionKind.ACKNOWLEDGED | DecisionKind.SILENCED:
            made = sum(not one.declared for one in episode.decisions)
            if made >= MOST_DECISIONS:
                raise Conflict(f"episode {episode.id} has {MOST_DECISIONS} decisions already")
            return decision
        case DecisionKind.UNSILENCED:
            if silence_of(episode.decisions, decision.made_ns) is None:
                raise Conflict(f"episode {episode.id} is not silenced")
            return decision
        case DecisionKind.NEW_NORMAL:
            if isinstance(episode.alerter.condition, Overdue):
                raise Conflict(
                    f"episode {episode.id} is about the monitoring itself, which has no new normal: "
                    "silence the episode instead"
                )
            return _with_part(episode, decision)


def _check_end(decision: Decision) -> None:
    if decision.until_ns is not None:
        least, most = decision.made_ns, decision.made_ns + MOST_SECONDS * NANOSECONDS
        if not least < decision.until_ns <= most:
            raise Refused(
                f"until = {decision.until_ns / NANOSECONDS:.0f}: must be after now, and at most "
                "366 days after"
            )


def is_outlived(episode: EpisodeRecord, transition: TransitionRecord, held_until_ns: int) -> bool:
    """Return whether the episode closed while a silence held the message of its opening.

    Args:
        episode: The episode.
        transition: Opening or closing that the message is about.
        held_until_ns: Wall time until which the message was held; 0 if it was not.
    """
    alerting = AlertStatus.ALERTING.value
    return transition.status == alerting and any(
        turn.status != alerting and turn.recorded_ns < held_until_ns for turn in episode.history
    )


def closing(episode: EpisodeRecord, decision: Decision) -> Closed:
    """Return the closing of an episode of an alerter that somebody set, by a new normal."""
    if decision.until_ns is None:
        outcome = "the alerter is quiet until a window is within its limit"
    else:
        outcome = (
            f"the alerter is quiet until {time_text(decision.until_ns)}, or until a window is within its "
            "limit"
        )
    opened = OpenEpisode(id=episode.id, opened_ns=episode.opened_ns, worst=episode.worst)
    sentence = normal_sentence(decision, outcome)
    return pause(opened, episode.alerter, episode.reference_digest, decision.made_ns, sentence)


def quiet_until_ns(decision: Decision) -> int:
    """Return the wall time until which an alerter that somebody set opens no episode."""
    return LAST_NS if decision.until_ns is None else decision.until_ns


def _with_part(episode: EpisodeRecord, decision: Decision) -> Decision:
    asked = (decision.summary, decision.labels)
    if len(decision.labels) and not decision.summary:
        raise Refused(f"labels = {str(decision.labels)!r}: must come with the summary of the part")
    if not isinstance(episode.alerter.condition, Calibrated):
        if asked not in {("", Labels()), (episode.summary, episode.labels)}:
            raise Unknown(_no_part(episode, decision))
        return replace(decision, summary=episode.summary, labels=episode.labels)
    if decision.until_ns is not None:
        raise Refused(
            f"until = {decision.until_ns / NANOSECONDS:.0f}: must be left out, because the default "
            "alerter learns a new normal for good"
        )
    still_open = [(one.summary, one.labels) for one in episode.parts if one.closed_ns is None]
    if not decision.summary:
        if len(still_open) != 1:
            raise Refused(
                f"summary = '': must name a part, because {len(still_open)} parts are open"
            )
        asked = still_open[0]
    if asked not in still_open:
        if asked in {(one.summary, one.labels) for one in episode.parts}:
            raise Conflict(f"the part {decision.summary} of episode {episode.id} is closed")
        raise Unknown(_no_part(episode, decision))
    summary, labels = asked
    waiting = {(one.summary, one.labels) for one in episode.decisions if one.is_pending}
    if asked in waiting:
        raise Conflict(f"the new normal of {summary} was accepted already")
    return replace(decision, summary=summary, labels=labels, is_pending=True)


def _no_part(episode: EpisodeRecord, decision: Decision) -> str:
    where = f" [{decision.labels}]" if len(decision.labels) else ""
    return f"episode {episode.id} has no part {decision.summary!r}{where}"


def decision_revision(entity: str, episode: int, decision: Decision) -> Revision:
    """Return the revision that the history keeps of *decision* about an episode."""
    said = {"kind": decision.kind.value, "reason": storable(decision.reason)}
    if decision.until_ns is not None:
        said["until"] = time_iso(decision.until_ns)
    if decision.summary:
        said |= {"summary": decision.summary, "labels": str(decision.labels)}
    change = Change(
        key=Key(DECISION, entity, f"episode {episode}"),
        before=None,
        after=msgspec.json.encode(said).decode(),
    )
    return Revision(author=decision.author, origin=Origin.API, commands=(), changes=(change,))
