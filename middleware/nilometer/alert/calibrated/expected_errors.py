"""Errors that the scores of a binary classifier let expect, as a column of the default alerter.

A row's error is expected to be as frequent as among the labelled rows with the same score. So the
estimate exists as soon as there are scores, and it is blind to concept drift.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nilometer.alert.calibrated.columns import Column, Floats, Rate, Total
from nilometer.profile import ScoreProfile
from nilometer.profile.performance import Classification, ExpectedPerformance
from nilometer.profile.performance.expected import by_predicted
from nilometer.profile.score import score_edges

ESTIMATED = "estimated error rate"  # name of the share
LEAST_REFERENCE = 500  # fewest labelled rows to estimate from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpectedErrors:
    """The share of wrong predictions in each bin of scores, frozen when it was learned.

    Attributes:
        positive: Name of the scored class.
        if_negative: Share of errors where another class is predicted, shape (162,).
        if_positive: Share of errors where the scored class is predicted, shape (162,).
    """

    positive: str
    if_negative: Floats
    if_positive: Floats

    @classmethod
    def of(cls, labelled: Classification, scores: ScoreProfile) -> Self:
        """Return the shares among *labelled* rows.

        Args:
            labelled: Scored rows of a binary classifier with their true classes.
            scores: Scores to estimate, which must be of the same classes.

        Raises:
            ValueError: If the rows are not of a binary classifier, or of other classes.
        """
        joined = {
            name: cells.joined(labelled.thresholds, ()) for name, cells in labelled.scores.items()
        }
        expected = ExpectedPerformance.of(replace(labelled, thresholds=(), scores=joined), scores)
        shares = expected.calibration.shares
        return cls(positive=expected.positive, if_negative=shares, if_positive=1.0 - shares)

    def vector(self, scores: ScoreProfile, requests: int) -> Floats:
        """Return the counts of `expected_column`: errors, and the totals."""
        counts = by_predicted(scores, self.positive, score_edges(()))
        errors = float(counts[0] @ self.if_negative + counts[1] @ self.if_positive)
        return np.array([errors, scores.count, 0.0, 0.0, requests, 0.0])


def expected_column(summary: str, rows: int) -> Column:
    """Return the column of the estimated error rate, of which only a rise is judged."""
    rate = Rate(ESTIMATED, Total.CELLS, 0.0, rises_only=True)
    return Column(summary=summary, shares=np.zeros(0), rates=(rate,), rows=float(rows))
