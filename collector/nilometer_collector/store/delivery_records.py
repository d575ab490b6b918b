"""Queued notifications, the attempts at their messages, and their outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.store.records import EpisodeRecord, TransitionRecord

ACKNOWLEDGEMENT = "ACKNOWLEDGED"  # in place of a status: somebody has acknowledged the episode
ACTION = "ACTION"  # in place of a status: an action for the episode has changed its state


def status_of(status: str, action_turn: int | None, *, is_acknowledgement: bool) -> str:
    """Return what a notification tells: the *status* of its transition, or a word in its place."""
    if action_turn is not None:
        return ACTION
    return ACKNOWLEDGEMENT if is_acknowledgement else status


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A queued notification, and those that the same message tells.

    Attributes:
        id: Position in the queue; smaller ids are delivered first.
        key: Idempotency key, the same for each attempt, so that a receiver can detect a repeat.
        attempts: Number of attempts so far.
        is_repeat: Whether an earlier attempt may have arrived, so that its message stays as it is.
        after_silence: Whether it was held while the episode was silenced.
        openings: Openings of the same within the hour before the transition, with this one.
        is_acknowledgement: Whether it tells that somebody has acknowledged the episode.
        action: Run of an action and its turn, if it tells about this turn; None otherwise.
        others: Further notifications in the message, in order.
    """

    id: int
    key: str
    attempts: int
    episode: EpisodeRecord
    transition: TransitionRecord
    is_repeat: bool = False
    after_silence: bool = False
    openings: int = 1
    is_acknowledgement: bool = False
    action: tuple[Run, RunTurn] | None = None
    others: "tuple[Notice, ...]" = ()

    def with_others(self, others: "Sequence[Notice]") -> "Notice":
        """Return the notification with the *others* of its message."""
        return replace(self, others=tuple(others))

    @property
    def ids(self) -> list[int]:
        """Positions in the queue of all notifications in the message, in order."""
        return [self.id, *(one.id for one in self.others)]


class AttemptRecord(NamedTuple):
    """One attempt to send a message.

    Attributes:
        at_ns: Wall time of its end.
        outcome: ``delivered``, ``refused`` or ``failed``.
        reason: Reason why it was not delivered; empty if it was.
    """

    at_ns: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A notification of a channel, with the attempts at its message.

    Attributes:
        key: Idempotency key of the message; notifications with one key share a message.
        status: Status of the transition that it tells, ``ACKNOWLEDGED`` or ``ACTION``.
        created_ns: Wall time at which it was queued.
        outcome: ``waiting``, ``delivered``, ``refused`` or ``withheld``.
        settled_ns: Wall time of the outcome; None while it waits.
        last_failure: Reason of the last failed attempt; empty without one.
    """

    id: int
    channel: str
    key: str
    entity: str
    episode: int
    status: str
    created_ns: int
    outcome: str
    settled_ns: int | None
    tries: int
    last_failure: str
    attempts: tuple[AttemptRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """Deliveries of a channel by outcome; the counts add up to all deliveries.

    Attributes:
        waiting: Queued, also those that are held while their episode is silenced.
        withheld: Never sent, because the episode had closed before a silence or the hours of a route
            allowed it, or because a later state was sent after an outage of the receiver.
    """

    waiting: int
    delivered: int
    refused: int
    withheld: int = 0
