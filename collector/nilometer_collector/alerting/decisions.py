"""Decisions of people about an episode: acknowledge it, silence it, or accept a new normal.

An episode is acknowledged or silenced as a whole. A new normal belongs to a part: a summary and label
set. Each decision has an author and a reason, and stays in the history of the episode.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from nilometer.values.labels import Labels

NO_LABELS = Labels()
MOST_REASON_CHARACTERS = 500
MOST_AUTHOR_CHARACTERS = 128
MOST_DECISIONS = 100  # decisions of an episode after which it takes no more acknowledgements
MOST_SECONDS = 366 * 86_400  # longest time until a decision ends


class DecisionKind(Enum):
    """The kind of a decision."""

    ACKNOWLEDGED = "acknowledged"  # somebody works on it
    SILENCED = "silenced"  # no message about its opening until the end
    UNSILENCED = "unsilenced"  # the silence ends now
    NEW_NORMAL = "new_normal"  # the current values of a part are normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about an episode.

    Attributes:
        author: Name of the person or program that decided, at most `MOST_AUTHOR_CHARACTERS`.
        reason: Reason, 1 to `MOST_REASON_CHARACTERS`.
        made_ns: Wall time of the decision.
        until_ns: Wall time at which it ends; None if it does not end by itself.
        summary: Summary of the part of a new normal; empty for other kinds.
        labels: Label set of this part.
        is_pending: Whether the default alerter has not yet acted on it.
        has_lapsed: Whether the part of a new normal closed before the default alerter acted, so that
            nothing was learned.
        link: Name of what the signed link of a message may do once; empty without a link.
        declared: Identity of the declared silence that made the decision; empty for a person's.
    """

    kind: DecisionKind
    author: str
    reason: str
    made_ns: int
    until_ns: int | None = None
    summary: str = ""
    labels: Labels = NO_LABELS
    is_pending: bool = False
    has_lapsed: bool = False
    link: str = ""
    declared: str = ""

    def holds(self, now_ns: int) -> bool:
        """Return whether the decision is in force at *now_ns*."""
        return self.until_ns is None or self.until_ns > now_ns


def silences_of(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Return the newest silence of people, under an empty key, and of each declared silence.

    The end of a silence by a person ends all of them; that of a declared silence only its own.

    Args:
        decisions: Decisions about an episode, oldest first.
    """
    found: dict[str, Decision] = {}
    for one in decisions:
        if one.kind is DecisionKind.SILENCED:
            found[one.declared] = one
        elif one.kind is DecisionKind.UNSILENCED and one.declared:
            found.pop(one.declared, None)
        elif one.kind is DecisionKind.UNSILENCED:
            found.clear()
    return found


def silence_of(decisions: Iterable[Decision], now_ns: int) -> Decision | None:
    """Return the silence in force at *now_ns* that ends last; *decisions* are oldest first."""
    found = [one for one in silences_of(decisions).values() if one.holds(now_ns)]
    return max(found, key=lambda one: one.until_ns or 0, default=None)


def acknowledgement_of(decisions: Iterable[Decision], now_ns: int) -> Decision | None:
    """Return the newest acknowledgement in force at *now_ns*; *decisions* are oldest first."""
    known = (one for one in decisions if one.kind is DecisionKind.ACKNOWLEDGED)
    return next((one for one in reversed(list(known)) if one.holds(now_ns)), None)


def normal_sentence(decision: Decision, outcome: str) -> str:
    """Return a sentence on who accepted a new normal and why, ending with its *outcome*."""
    where = f" [{decision.labels}]" if len(decision.labels) else ""
    return (
        f"{decision.author} says that this is the new normal of {decision.summary}{where}: "
        f"{decision.reason}; {outcome}"
    )
