"""Adds model outputs that are probabilities to score profiles."""

import numpy as np

from nilometer.decode.columns import Column
from nilometer.profile import ScoreProfile


def observe_scores(profile: ScoreProfile, cells: Column) -> None:
    """Add an output with probabilities: one per row, or one per row and class."""
    try:
        array = np.asarray(cells, dtype=np.float64)  # None becomes NaN
    except (ValueError, TypeError, OverflowError):
        numbers = [cell if isinstance(cell, float) else np.nan for cell in cells]
        array = np.array(numbers, dtype=np.float64)
    if array.ndim == 1:
        profile.observe(array)
    elif array.ndim == 2 and array.shape[1] > 1:
        profile.observe_matrix(array)
    elif array.ndim == 2:
        profile.observe(array.ravel())
