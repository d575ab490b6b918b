"""Compares the scores of labelled predictions with those of all predictions of the same windows.

Performance is measured on labelled predictions only. If they are not a fair sample, such as loans that
were granted, the performance of all predictions may be different.
"""

import math

import numpy as np

from nilometer.profile import ScoreProfile
from nilometer.profile.performance import Classification
from nilometer.profile.performance.expected import by_predicted
from nilometer.profile.score import score_edges
from nilometer_collector.watch.performance_memory import Selection

QUANTILE = 1.63  # of Kolmogorov's distribution: chance exceeds it in one of a hundred comparisons
LEAST_LABELLED = 100  # fewest labelled rows to compare

_EDGES = np.concatenate([[0.0], score_edges(()), [1.0]])
MIDDLES = (_EDGES[:-1] + _EDGES[1:]) / 2.0  # scores that stand for the bins


def selection_of(labelled: Classification, scores: ScoreProfile, at_ns: int) -> Selection | None:
    """Return how the labelled predictions differ; None with too few of them, or without scores.

    The labelled predictions are a part of all. So the noise of the distance becomes 0 when all have a
    label.

    Args:
        labelled: Labelled predictions of a binary classifier.
        scores: Scores of all predictions of the same windows.
        at_ns: End of the newest window, Unix nanoseconds.
    """
    positive = labelled.positive
    if positive is None:
        return None
    own = labelled.scores[positive].joined(labelled.thresholds, ()).counts.sum(axis=(0, 1))
    every = by_predicted(scores, positive, score_edges(())).sum(axis=0)
    few, many = float(own.sum()), float(every.sum())
    if few < LEAST_LABELLED or not many:
        return None
    apart = float(np.abs(np.cumsum(own) / few - np.cumsum(every) / many).max())
    noise = QUANTILE * math.sqrt(max(1.0 - few / many, 0.0) / few)
    return Selection(
        distance=max(apart - noise, 0.0),
        labelled_mean=float(own @ MIDDLES) / few,
        mean=float(every @ MIDDLES) / many,
        at_ns=at_ns,
    )
