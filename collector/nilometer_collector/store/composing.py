"""Decides which waiting notifications of a channel become the next message.

Pure functions, so that both databases decide alike. The order of the notifications of an episode is
kept in every case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.values.clock import NANOSECONDS

STORM_ENTITIES = 10  # entities that wait at the same time, from which one digest tells all of them
MOST_TOGETHER = 1000  # notifications in one message
FLAPPING_OPENINGS = 5  # openings within `FLAPPING_NS` from which an episode is flapping
FLAPPING_NS = 3600 * NANOSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notification that waits to be sent.

    Attributes:
        key: Idempotency key of the last message that had it.
        is_sealed: Whether this message may have arrived, so that it must be sent again as it was.
        status: What it tells: the status of its transition, or ``ACKNOWLEDGED``.
    """

    id: int
    key: str
    is_sealed: bool
    entity: str
    episode: int
    status: str
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The next message of a channel.

    Attributes:
        chosen: Notifications in the message, in order.
        replaced: Ids of notifications that are not sent, because a later state of the same episode
            is.
        keeps_key: Whether the message is the one that was tried before.
    """

    chosen: Sequence[Waiting]
    replaced: Sequence[int]
    keeps_key: bool


def compose(waiting: Sequence[Waiting], failed_ns: int | None, *, is_grouping: bool) -> Composition:
    """Return the next message.

    Args:
        waiting: Notifications that may be sent now, oldest first; at least one.
        failed_ns: Wall time of the last failed attempt of the channel; None without one.
        is_grouping: Whether one message may tell several episodes.
    """
    head = waiting[0]
    if head.is_sealed:
        same = [one for one in waiting if one.key == head.key and one.is_sealed]
        return Composition(chosen=same, replaced=(), keeps_key=True)
    newest = {one.episode: one.id for one in waiting}
    replaced = [
        one.id
        for one in waiting
        if failed_ns is not None and one.created_ns <= failed_ns and newest[one.episode] != one.id
    ]
    left = [one for one in waiting if one.id not in set(replaced)]
    chosen = _together(left) if is_grouping else left[:1]
    with_key = {one.id for one in waiting if one.key == chosen[0].key}
    keeps_key = with_key == {one.id for one in chosen}
    return Composition(chosen=chosen, replaced=replaced, keeps_key=keeps_key)


def _together(left: Sequence[Waiting]) -> Sequence[Waiting]:
    """Return all in a storm; else the first, with those of its entity that tell the same change."""
    if len({one.entity for one in left}) >= STORM_ENTITIES:
        return left[:MOST_TOGETHER]
    chosen: list[Waiting] = []
    for one in left:
        if one.entity != left[0].entity:
            continue
        if one.status != left[0].status:
            break
        chosen.append(one)
    return chosen
