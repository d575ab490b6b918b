"""A cause: one sentence, the figure that ranks it, and the numbers of its picture."""

from dataclasses import dataclass
from enum import Enum

from nilometer.values.labels import Labels

EVERYWHERE = Labels()  # labels of all traffic


class CauseKind(Enum):
    """What a cause is about; a closed set."""

    FEATURE = "feature"  # the distribution of one feature changed
    SEGMENT = "segment"  # the change is in one segment
    STAGE = "stage"  # a stage of the pipeline moved first
    SHIFT = "shift"  # the output moved because inputs moved, or with the same inputs
    CHANGE = "change"  # something else changed around the onset


@dataclass(frozen=True, slots=True)
class Share:
    """One bar of a picture: a share before and now.

    Attributes:
        name: Interval, category, segment or part of a change.
        before: Share before the episode, 0 to 1; of a part of a change, the change itself.
        now: Share since the onset.
        marked: Whether the sentence names it.
    """

    name: str
    before: float
    now: float
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of a timeline.

    Attributes:
        at_ns: Time, Unix nanoseconds.
        words: What happened then.
        marked: Whether the sentence names it.
    """

    at_ns: int
    words: str
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A likely cause.

    Attributes:
        sentence: What changed, with its figures.
        score: Figure that ranks it, above 0: the lower bound of the effect in standard deviations of
            the time before, times the weights that `ranking` explains.
        summary: Summary that it is about; empty without one.
        labels: Segment that it is about; empty for all traffic.
        entity: Entity that it is about, if it is another one than the episode's; else empty.
        at_ns: Time of the change, Unix nanoseconds; None if unknown.
        shares: Bars of its picture, in their order.
        moments: Points of its timeline, oldest first.
    """

    kind: CauseKind
    sentence: str
    score: float
    summary: str = ""
    labels: Labels = EVERYWHERE
    entity: str = ""
    at_ns: int | None = None
    shares: tuple[Share, ...] = ()
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Untold:
    """A kind of cause that the figures do not tell, with the reason in one sentence."""

    kind: CauseKind
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The causes of an episode, likeliest first, and what cannot be told."""

    causes: tuple[Cause, ...] = ()
    untold: tuple[Untold, ...] = ()
