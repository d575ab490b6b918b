"""What is known of an episode: the arguments from which all causes are derived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn
from nilometer.values.labels import Labels

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSides:
    """One feature before the episode and since its onset.

    Attributes:
        summary: Name of the summary, such as ``input.amount``.
        column: Bins in which both sides are counted.
        before: The feature in each of several comparable times before, such as the same hours of
            other days. The differences between them show its usual movement.
        now: The feature since the onset.
    """

    summary: str
    column: ReferenceColumn
    before: Sequence[FeatureProfile]
    now: FeatureProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One value of a label, and a count in it on both sides.

    Attributes:
        key: Label key.
        value: Label value.
        before: Counted rows before.
        before_rows: All rows before.
        now: Counted rows since the onset.
        now_rows: All rows since the onset.
    """

    key: str
    value: str
    before: float
    before_rows: float
    now: float
    now_rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRate:
    """A share, such as that of failed requests, by segment.

    Attributes:
        what: The counted rows in words, such as ``of the requests fail``.
        summary: Summary of the rows.
        segments: Every segment that was looked at, of all label keys.
    """

    what: str
    summary: str
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An entity of the pipeline.

    Attributes:
        entity: Name of the entity.
        reads_from: Entities that it reads from.
        onset_ns: Start of its own drift, Unix nanoseconds; None if it has no episode at that time.
        score: Lower bound of its largest effect, in standard deviations.
        evidence: What moved there, in words.
    """

    entity: str
    reads_from: Sequence[str] = ()
    onset_ns: int | None = None
    score: float = 0.0
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something else that changed around the onset.

    Attributes:
        words: The change with its figures, a clause with a subject, such as ``version v8 appears``.
        at_ns: Time of the change, Unix nanoseconds.
        strength: Lower bound of the change in standard deviations, see `shares.strength`.
    """

    words: str
    at_ns: int
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is known of an episode.

    Attributes:
        entity: Entity of the episode.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        window_ns: Length of the windows by which onsets are known, in nanoseconds.
        features: Features that were compared.
        left_out: Number of features that were not read, to bound the cost.
        rates: Shares by segment.
        drifts: Summary and label set of everything that drifts in the episode.
        importances: Importance of each feature by summary, at least 0, in any unit. Features without
            one have the mean importance.
        stages: The entity and every stage before it.
        events: Other changes around the onset.
    """

    entity: str
    onset_ns: int
    window_ns: int
    features: Sequence[FeatureSides] = ()
    left_out: int = 0
    rates: Sequence[SegmentRate] = ()
    drifts: Sequence[tuple[str, Labels]] = ()
    importances: Mapping[str, float] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    events: Sequence[Event] = ()
