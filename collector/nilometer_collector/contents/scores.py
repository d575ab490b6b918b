"""The form of scores in the API."""

import numpy as np

from nilometer.kinds import ContentView
from nilometer.profile import ScoreProfile
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import HistogramView, Shown, finite


class ScoresView(ContentView, frozen=True, kw_only=True):
    """Probabilities of one output in one window."""

    count: int  # scores inside [0, 1]
    mean: float | None
    predicted: dict[str, int]  # by predicted class
    histogram: HistogramView  # with edges for all classes and the decision thresholds
    outside: int  # scores below 0 or above 1
    not_a_number: int


def scores_view(scores: ScoreProfile) -> ScoresView:
    """Return *scores* in the form of the API, summed over all classes."""
    total = sum((bins.counts for bins in scores.classes.values()), np.zeros(scores.edges.size + 1))
    return ScoresView(
        count=scores.count,
        mean=finite(scores.score.mean) if scores.score.count else None,
        predicted=dict(scores.by_predicted()),
        histogram=HistogramView(
            edges=[0.0, *scores.edges.tolist(), 1.0], counts=[float(count) for count in total]
        ),
        outside=scores.outside,
        not_a_number=scores.not_a_number,
    )


def _in_window(scores: ScoreProfile, window: Window, bins: Bins | None) -> ScoresView:
    del window, bins
    return scores_view(scores)


SHOWN_SCORES = Shown(kind=ScoreProfile.kind, field="scores", view=_in_window)
