"""Converts scores to protobuf and back."""

from collections.abc import Sequence

import numpy as np

from nilometer.profile.score import MAX_CLASSES, ScoreBins, ScoreProfile
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.bounds import MAX_COUNT
from nilometer.wire.contents.codec import Codec, EdgesOf
from nilometer.wire.sketches.moments import moments_from_wire, moments_to_wire

MAX_THRESHOLDS = 16


def scores_to_wire(profile: ScoreProfile) -> pb.Scores:
    """Return scores as a message that contains only non-empty bins."""
    classes = []
    for (predicted, truth), bins in sorted(profile.classes.items()):
        filled = np.flatnonzero(bins.counts)
        classes.append(
            pb.Scores.Class(
                predicted=predicted,
                truth=truth.encode("utf-8", "replace").decode(),
                bins=filled.tolist(),
                counts=bins.counts[filled].tolist(),
                sums=bins.sums[filled].tolist(),
            )
        )
    return pb.Scores(
        thresholds=profile.thresholds,
        classes=classes,
        score=moments_to_wire(profile.score),
        margin=moments_to_wire(profile.margin) if profile.margin.count else None,
        entropy=moments_to_wire(profile.entropy) if profile.entropy.count else None,
        outside=profile.outside,
        not_a_number=profile.not_a_number,
    )


def scores_from_wire(message: pb.Scores) -> ScoreProfile:
    """Return the score profile in a message.

    Raises:
        ValueError: If a bin does not exist, lists differ in length, or the counts do not match the
            number of scores.
    """
    thresholds = thresholds_from_wire(message.thresholds)
    profile = ScoreProfile(
        thresholds,
        score=moments_from_wire(message.score),
        margin=moments_from_wire(message.margin),
        entropy=moments_from_wire(message.entropy),
        outside=message.outside,
        not_a_number=message.not_a_number,
    )
    size = profile.edges.size + 1
    if len(message.classes) > MAX_CLASSES + 1:
        raise ValueError(f"scores: {len(message.classes)} classes are more than {MAX_CLASSES}")
    for one in message.classes:
        places = np.array(one.bins, dtype=np.int64)
        if not len(places) == len(one.counts) == len(one.sums):
            raise ValueError("scores: bins, counts and sums disagree")
        if places.size and (places.max() >= size or (np.diff(places) <= 0).any()):
            raise ValueError("scores: bins must ascend and be in range")
        if any(count > MAX_COUNT for count in one.counts) or not np.isfinite(one.sums).all():
            raise ValueError("scores: a count or a sum is out of bounds")
        counts, sums = np.zeros(size, dtype=np.int64), np.zeros(size)
        counts[places], sums[places] = list(one.counts), list(one.sums)
        pair = (one.predicted, one.truth)
        if pair in profile.classes:
            raise ValueError(f"scores: the classes {pair} repeat")
        profile.classes[pair] = ScoreBins(counts, sums)
    if profile.count != profile.score.count:
        raise ValueError("scores: the bins do not contain all scores")
    return profile


def thresholds_from_wire(given: Sequence[float]) -> tuple[float, ...]:
    """Return decision thresholds.

    Raises:
        ValueError: If they are too many, do not ascend, or are not inside (0, 1).
    """
    thresholds = tuple(given)
    if len(thresholds) > MAX_THRESHOLDS or not all(0.0 < cut < 1.0 for cut in thresholds):
        raise ValueError(f"scores: at most {MAX_THRESHOLDS} thresholds, each between 0 and 1")
    if list(thresholds) != sorted(set(thresholds)):
        raise ValueError("scores: thresholds must ascend")
    return thresholds


def _put(message: pb.SummarySample, scores: ScoreProfile) -> None:
    message.scores.CopyFrom(scores_to_wire(scores))


def _read(message: pb.SummarySample, edges_of: EdgesOf) -> ScoreProfile:
    del edges_of
    return scores_from_wire(message.scores)


SCORES_CODEC = Codec(kind=ScoreProfile.kind, field="scores", put=_put, read=_read)
