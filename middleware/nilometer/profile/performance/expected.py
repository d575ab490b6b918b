"""Performance without ground truth: confidence-based estimation from stored histograms of scores.

A reference with ground truth tells how often the positive class is true at each score. With these
shares, each row of the window counts as a fraction of a true and a fraction of a false row, and the
metrics are computed from the fractions. Only counts by predicted class and bin are needed, so the
estimate exists for every label set and window whose scores are stored.

The interval has three parts: the rows of the window are a sample, their classes are drawn, and the
reference is a sample. `CAVEAT` says what it does not contain.

Source: the method is NannyML's CBPE; `test_the_table_that_nannyml_published` compares both.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from nilometer.profile.performance import rates
from nilometer.profile.performance.calibration import Calibration
from nilometer.profile.performance.classification import Classification
from nilometer.profile.performance.estimate import Estimate
from nilometer.profile.performance.rates import Floats, Rate
from nilometer.profile.performance.value import ValueMatrix
from nilometer.profile.score import ScoreProfile, score_edges

CAVEAT = (
    "An estimate assumes that a score still means what it meant in the reference. It sees a change "
    "of the inputs. It does not see concept drift: if the same inputs now have other outcomes, the "
    "estimate stays the same while the model gets worse."
)

# Metrics by name, of cells of shape (2, 2, bins).
METRICS: Mapping[str, Callable[[Floats], Rate | None]] = {
    "accuracy_ratio": rates.accuracy,
    "precision_ratio": lambda cells: rates.precision(cells, 1),
    "recall_ratio": lambda cells: rates.recall(cells, 1),
    "f1": lambda cells: rates.f1(cells, 1),
    "roc_auc": rates.roc_auc,
    "average_precision": rates.average_precision,
}


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedPerformance:
    """The performance of a binary classifier that its scores let expect.

    Attributes:
        positive: Name of the positive class.
        cells: Expected rows, shape (2, 2, bins): predicted, true, bin.
        calibration: Share of the positive class at each score.
    """

    positive: str
    cells: Floats
    calibration: Calibration

    @classmethod
    def of(cls, reference: Classification, scores: ScoreProfile) -> Self:
        """Return the expected performance of the rows whose *scores* are given.

        Args:
            reference: Scored rows of a binary classifier with their true classes.
            scores: Scores of the positive class by predicted class, with or without ground truth.

        Raises:
            ValueError: If the reference is not of a binary classifier with scores, a side has no
                rows, or the scores are those of other classes or of over two.
        """
        positive = reference.positive
        if positive is None or not reference.scores[positive].counts.any():
            raise ValueError("the reference has no scores of one positive class with ground truth")
        if not scores.count:
            raise ValueError("the window has no scores")
        _require_classes(reference, scores)
        common = tuple(sorted(set(reference.thresholds) & set(scores.thresholds)))
        if scores.margin.count:
            common = ()  # mirrored scores need symmetric edges
        edges = score_edges(common)
        known = reference.scores[positive].joined(reference.thresholds, common).counts
        rows = known.sum(axis=(0, 1)).astype(np.float64)
        bounds = np.concatenate([[0.0], edges, [1.0]])
        calibration = Calibration.of(
            known[:, 1].sum(axis=0).astype(np.float64), rows, (bounds[:-1] + bounds[1:]) / 2.0
        )
        counts = by_predicted(scores, positive, edges)
        shares = calibration.shares
        return cls(positive, np.stack([counts * (1.0 - shares), counts * shares], 1), calibration)

    def estimate(self, metric: str) -> Estimate | None:
        """Return a metric of `METRICS` with its interval; None if the rows do not define it."""
        found = METRICS[metric](self.cells)
        return None if found is None else found.as_share(self.cells, self._of_reference(found))

    def estimates(self) -> Mapping[str, Estimate]:
        """Return all metrics that the rows define, by name."""
        found = {name: self.estimate(name) for name in METRICS}
        return {name: one for name, one in found.items() if one is not None}

    def value_per_row(self, values: ValueMatrix, negative: str = "0") -> Estimate:
        """Return the mean value of a row, in the unit of *values*.

        Args:
            values: Value of a row by predicted and true class.
            negative: Name of the other class in *values*.
        """
        names = (negative, self.positive)
        of_pairs = np.array([[values.of(guess, true) for true in names] for guess in names])
        found = rates.value_of(self.cells, of_pairs)
        if found is None:
            raise ValueError("the window has no scores")
        return found.as_number(self.cells, self._of_reference(found))

    def _of_reference(self, rate: Rate) -> float:
        """Return the variance of a metric that the uncertain shares of the reference cause."""
        by_bin = (self.cells.sum(axis=1) * (rate.gradient[:, 1] - rate.gradient[:, 0])).sum(axis=0)
        variances = self.calibration.variances
        by_block = np.bincount(self.calibration.blocks, by_bin, variances.size)
        return float((by_block**2) @ variances)


def _require_classes(reference: Classification, scores: ScoreProfile) -> None:
    known = set(reference.classes)
    for predicted in sorted(scores.by_predicted()):
        if predicted not in known:
            raise ValueError(f"the scores predict {predicted!r}, which the reference does not have")
    if scores.margin.count:
        # The margin is top less second, so twice the top less 1 only if the two add to 1.
        of_two = 2.0 * scores.score.mean - 1.0
        if len(known) > 2 or not math.isclose(scores.margin.mean, of_two, abs_tol=1e-6):
            raise ValueError("scores of over two classes: store the column of the positive class")


def by_predicted(scores: ScoreProfile, positive: str, edges: Floats) -> Floats:
    """Return rows by whether *positive* is predicted, in the bins of *edges*, shape (2, bins).

    A row of two probabilities is stored by the larger one. That of the other class is mirrored: its
    distance from 1 is the score of the positive class.
    """
    starts = np.concatenate([[0], scores.edges.searchsorted(edges) + 1])
    counts = np.zeros((2, edges.size + 1))
    for (predicted, _), bins in scores.classes.items():
        joined = np.add.reduceat(bins.counts, starts)
        is_mirrored = scores.margin.count > 0 and predicted != positive
        counts[int(predicted == positive)] += joined[::-1] if is_mirrored else joined
    return counts
