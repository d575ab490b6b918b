"""Rows of a binary classifier from stored counts of shape (2, 2, 162): predicted, true, bin."""

import numpy as np

from nilometer.profile import ScoreProfile
from nilometer.profile.performance import Classification
from nilometer.profile.performance.score_cells import Counts, ScoreCells
from nilometer.profile.score import ScoreBins


def judged(counts: Counts) -> Classification:
    """Rows of a binary classifier by predicted class, true class and bin."""
    confusion = {
        (str(guess), str(true)): int(counts[guess, true].sum())
        for guess in (0, 1)
        for true in (0, 1)
    }
    whole = counts.astype(np.int64)
    return Classification(
        confusion=confusion,
        correct=confusion["0", "0"] + confusion["1", "1"],
        scores={"1": ScoreCells(whole, np.zeros_like(whole))},
    )


def unjudged(counts: Counts) -> ScoreProfile:
    """The stored scores of the same rows, without their true classes."""
    by_guess = counts.sum(axis=1).astype(np.int64)
    bins = {(str(guess), ""): ScoreBins(by_guess[guess], np.zeros(162)) for guess in (0, 1)}
    return ScoreProfile(classes=bins)
