"""Checks of scores before they are stored."""

from nilometer.profile import ScoreProfile
from nilometer_collector.limits.bounds import (
    MAX_NAME_BYTES,
    check_counts,
    check_numbers,
    check_text,
)


def check_scores(scores: ScoreProfile) -> None:
    """Refuse scores that could not be merged or shown."""
    check_counts("scores", (scores.count, scores.outside, scores.not_a_number))
    for predicted, truth in scores.classes:
        check_text("scores", predicted, MAX_NAME_BYTES)
        check_text("scores", truth, MAX_NAME_BYTES)
    check_numbers("the mean score", scores.score.mean)
