"""Likely causes of an episode, from the summaries of two times: before it began, and since.

`causes_of` returns a ranked list with one sentence each. Every function is pure. A kind of cause is one
module, and `ranking.KINDS` lists them all.
"""

from nilometer.causes.cause import Answer, Cause, CauseKind, Moment, Share, Untold
from nilometer.causes.ranking import causes_of
from nilometer.causes.scene import (
    Event,
    FeatureSides,
    Scene,
    Segment,
    SegmentRate,
    Stage,
)

__all__ = [
    "Answer",
    "Cause",
    "CauseKind",
    "Event",
    "FeatureSides",
    "Moment",
    "Scene",
    "Segment",
    "SegmentRate",
    "Share",
    "Stage",
    "Untold",
    "causes_of",
]
