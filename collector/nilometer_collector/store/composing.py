"""Decides which waiting notifications of a channel become the next message.

Pure functions, so that both databases decide alike. The order of the notifications of an episode is
kept in every case.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nilometer.alert import AlertStatus
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.delivery_records import ACKNOWLEDGEMENT, ACTION, Notice

STORM_ENTITIES = 10  # entities that wait at the same time, from which one digest tells all of them
MOST_TOGETHER = 1000  # notifications in one message
FLAPPING_OPENINGS = 5  # openings within `FLAPPING_NS` from which an episode is flapping
FLAPPING_NS = 3600 * NANOSECONDS


_OF_OPEN = frozenset({AlertStatus.ALERTING.value, ACKNOWLEDGEMENT, ACTION})  # while it is open


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notification that waits to be sent.

    Attributes:
        key: Idempotency key of the last message that told this notification.
        is_sealed: Whether this message may have arrived, so that it must be sent again as it was.
        status: What it tells: the status of its transition, ``ACKNOWLEDGED`` or ``ACTION``.
        run: Run of an action that it tells about; None if it is about the episode itself.
    """

    id: int
    key: str
    is_sealed: bool
    entity: str
    episode: int
    status: str
    created_ns: int
    run: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The next message of a channel.

    Attributes:
        chosen: Notifications in the message, in order.
        replaced: Ids of notifications that are not sent, because a later state of the same episode
            is.
        is_repeat: Whether the message may have arrived before, so that it keeps its key.
    """

    chosen: Sequence[Waiting]
    replaced: Sequence[int]
    is_repeat: bool


class Turn(Enum):
    """When an acknowledgement is sent."""

    NOW = "now"
    LATER = "later"  # its opening waits for a silence or for route hours
    NEVER = "never"  # its opening was withheld or refused


def turn_of_acknowledgement(openings: Mapping[int, bool], sendable: Collection[int]) -> Turn:
    """Return when an acknowledgement is sent, so that its receiver knows the incident.

    Args:
        openings: Earlier openings of its episode and channel that may arrive, by id: whether one may
            have arrived already.
        sendable: Ids of the notifications that may be sent now.
    """
    if not openings:
        return Turn.NEVER
    if any(openings.values()) or not openings.keys().isdisjoint(sendable):
        return Turn.NOW
    return Turn.LATER


def compose(waiting: Sequence[Waiting], failed_ns: int | None, *, is_grouping: bool) -> Composition:
    """Return the next message.

    Args:
        waiting: Notifications that may be sent now, oldest first; at least one. Sealed ones may
            come first: the oldest message that may have arrived is always the next one.
        failed_ns: Wall time of the last failed attempt of the channel; None without one.
        is_grouping: Whether one message may tell several episodes.
    """
    sealed = [one for one in waiting if one.is_sealed]
    if sealed:
        same = [one for one in sealed if one.key == sealed[0].key]
        return Composition(chosen=same, replaced=(), is_repeat=True)
    replaced = () if failed_ns is None else _outdated(waiting, failed_ns)
    left = [one for one in waiting if one.id not in set(replaced)]
    chosen = _together(left) if is_grouping else left[:1]
    return Composition(chosen=chosen, replaced=replaced, is_repeat=False)


def _outdated(waiting: Sequence[Waiting], failed_ns: int) -> Sequence[int]:
    """Return the ids of the states that a later state of the same episode makes superfluous.

    A closing replaces all before it, and an opening replaces the opening just before it. An
    acknowledgement replaces nothing, because a receiver ignores it if it does not know the incident.
    A message about a run of an action replaces those before it about the same run.
    """
    found = []
    later: dict[int, str] = {}
    told_runs: set[int] = set()
    for one in reversed(waiting):
        if one.run is not None:
            if one.run in told_runs and one.created_ns <= failed_ns:
                found.append(one.id)
            told_runs.add(one.run)
            continue
        following = later.get(one.episode, ACKNOWLEDGEMENT)
        is_told_by_it = following == one.status or following != AlertStatus.ALERTING.value
        if following != ACKNOWLEDGEMENT and is_told_by_it and one.created_ns <= failed_ns:
            found.append(one.id)
        else:
            later[one.episode] = one.status
    return found


def halves(notice: Notice) -> Sequence[Notice]:
    """Return the two halves of a message that tells at least two notifications, in order."""
    told = [replace(notice, others=()), *notice.others]
    middle = len(told) // 2
    return [part[0].with_others(part[1:]) for part in (told[:middle], told[middle:])]


def _together(left: Sequence[Waiting]) -> Sequence[Waiting]:
    """Return all in a storm; else the first, with those of its entity that tell the same change.

    One that has to wait for an earlier notification of its episode is left out. No opening comes
    before an earlier closing, which may be that of the same series: its reader would believe that
    nothing is open. So closings between two openings come first. A message about an action tells
    nothing else, because it may ask for approval.
    """
    if left[0].status == ACTION:
        return left[:1]
    if len({one.entity for one in left}) >= STORM_ENTITIES:
        return [one for one in left if one.status != ACTION][:MOST_TOGETHER]
    own = [one for one in left if one.entity == left[0].entity]
    if closings := _closings_between(own):
        return closings
    chosen: list[Waiting] = []
    waiting: set[int] = set()  # episodes of which an earlier notification comes later
    for one in own:
        if one.status == left[0].status and one.episode not in waiting:
            chosen.append(one)
        elif left[0].status == AlertStatus.ALERTING.value and one.status not in _OF_OPEN:
            break
        else:
            waiting.add(one.episode)
    return chosen


def _closings_between(own: Sequence[Waiting]) -> Sequence[Waiting]:
    """Return the closings of an entity that would part its openings into several messages.

    A closing whose episode has an earlier notification here is left out. Empty if the oldest
    notification is no opening, because it is told first.
    """
    alerting = AlertStatus.ALERTING.value
    if own[0].status != alerting:
        return ()
    last_opening = max(one.id for one in own if one.status == alerting)
    seen: set[int] = set()
    closings = []
    for one in own:
        if one.status not in _OF_OPEN and one.episode not in seen:
            closings.append(one)
        seen.add(one.episode)
    return closings if closings and closings[0].id < last_opening else ()
