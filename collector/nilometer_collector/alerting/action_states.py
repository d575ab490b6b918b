"""The states of a run of an action, and what each means for others.

waiting ──► dry_run
│
├──────► awaiting_approval ──► declined, expired
│               │
└──► approved ◄─┘
│
sending ──► sent (the response is lost; the same key is sent again)
│          │
└──► accepted, failed
│
worked, did_not, cannot_tell
"""

from enum import Enum


class RunState(Enum):
    """State of a run."""

    WAITING = "waiting"  # for its condition
    DRY_RUN = "dry_run"  # recorded what it would have done
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"  # nobody decided in time
    SENDING = "sending"
    SENT = "sent"  # it may have arrived, but no response has
    ACCEPTED = "accepted"  # the target has confirmed it
    FAILED = "failed"
    WORKED = "worked"  # the episode closed in time
    DID_NOT = "did_not"
    CANNOT_TELL = "cannot_tell"
    SUPERSEDED = "superseded"
    UNREAD = "unread"  # a newer version wrote a state that this one does not know

    @classmethod
    def of(cls, text: str) -> "RunState":
        """Return the state in *text*; `UNREAD` if this version does not know it."""
        return next((one for one in cls if one.value == text), cls.UNREAD)

    @property
    def is_over(self) -> bool:
        """Whether the state never changes again."""
        return self not in _OPEN

    @property
    def is_under_way(self) -> bool:
        """Whether another action of the entity must wait."""
        return self in _OPEN and self is not RunState.WAITING

    @property
    def is_start(self) -> bool:
        """Whether a run that gets this state first has started: it counts for the limits."""
        return self in {RunState.DRY_RUN, RunState.AWAITING_APPROVAL, RunState.APPROVED}

    @property
    def is_told(self) -> bool:
        """Whether the channels of the episode are told of it."""
        return self in _TOLD

    @property
    def is_escalated(self) -> bool:
        """Whether the channel for escalations is told of it."""
        return self in _ESCALATED


_OPEN = {
    RunState.WAITING,
    RunState.AWAITING_APPROVAL,
    RunState.APPROVED,
    RunState.SENDING,
    RunState.SENT,
    RunState.ACCEPTED,
    RunState.UNREAD,  # it may be under way
}
_ESCALATED = {RunState.EXPIRED, RunState.FAILED, RunState.DID_NOT, RunState.CANNOT_TELL}
_TOLD = _ESCALATED | {
    RunState.DRY_RUN,
    RunState.AWAITING_APPROVAL,
    RunState.DECLINED,
    RunState.ACCEPTED,
    RunState.WORKED,
}
